"""Which config changes alter what a run means, and so forbid continuing it."""
from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from kdjax.config.fields import FIELDS, renamed

RULES = {  # Field.may_change -> whether a change between two flat configs is harmless
    False: lambda *configs: False,
    "always": lambda *configs: True,
    "under jit": lambda *configs: all(c.get("parallel", "jit") == "jit" for c in configs),
    "unless the rate depends on the length":
        lambda *configs: all(c.get("optim.schedule.kind") != "cosine" for c in configs),
}


def meaning_changed(old: Mapping, new: Mapping) -> list[str]:
    """["optim.lr: 0.05 -> 0.1", ...]: the fields whose change makes `new` another run than `old`; [] when none.

    Both are resolved configs (nested mappings), in today's names or those of before; lists and tuples, and 1 and 1.0,
    are the same. A field that only one of them has counts with its default in the other, for the kdjax that wrote the
    other did what the default does; one that no table has counts as changed, shown as "absent".
    """
    before, after = _flat(old), _flat(new)
    names = [name for name in {**before, **after} if _value(before, name) != _value(after, name)]
    return [f"{name}: {_show(before, name)} -> {_show(after, name)}" for name in names
            if not _harmless(name, before, after)]


def _harmless(name: str, *configs: dict[str, Any]) -> bool:
    return name in FIELDS and RULES[FIELDS[name].may_change](*configs)


def _value(flat: dict[str, Any], name: str) -> Any:
    return flat.get(name, _plain(FIELDS[name].default) if name in FIELDS else "absent")


def _flat(config: Mapping, prefix: str = "") -> dict[str, Any]:
    flat = {}
    for key, value in config.items():
        if hasattr(value, "items"):  # a dict or a ConfigDict
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[renamed(f"{prefix}{key}")] = _plain(value)
    return flat


def _plain(value: Any) -> Any:
    """As it looks after a trip through config.json; NaN becomes its name, as it does not equal itself."""
    value = json.loads(json.dumps(value, default=str))
    return "NaN" if value != value else value


def _show(flat: dict[str, Any], name: str) -> str:
    return json.dumps(flat[name]) if name in flat else "absent"
