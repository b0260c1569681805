"""Which config changes alter what a run means, and so forbid continuing it."""

import json
from collections.abc import Mapping
from typing import Any

# A field, or a whole block, that a resumed run may change. Everything else is meaning, fields of tomorrow included.
HARMLESS = (
    "log",
    "checkpoint",
    "plots",
    "experiment.workdir",
    "experiment.name",
    "experiment.compare",
    "workdir",
    "data.dir",
    "data.cache_dir",
    "data.download",
    "data.verify",
    "data.eval_batch_size",
    "teacher.min_accuracy",
    "train.epochs",
    "train.steps",
    "train.on_nan",  # a run that stopped at a NaN may go on with "skip"
    "train.deterministic",
)
LENGTH = ("train.epochs", "train.steps")  # not harmless when the learning rate of every step depends on it
PLACE = ("devices", "distributed")  # harmless under jit, whose result does not depend on the device count


def meaning_changed(old: Mapping, new: Mapping) -> list[str]:
    """["optim.lr: 0.05 -> 0.1", ...]: the fields whose change makes `new` another run than `old`; [] when none.

    Both are resolved configs (nested mappings); lists and tuples, and 1 and 1.0, are the same. A field that only one
    of them has counts as changed, shown as "absent".
    """
    before, after = _flat(old), _flat(new)
    names = [name for name in {**before, **after} if before.get(name, "absent") != after.get(name, "absent")]
    return [f"{name}: {_show(before, name)} -> {_show(after, name)}" for name in names
            if not _harmless(name, before, after)]


def _harmless(name: str, *configs: dict[str, Any]) -> bool:
    if _under(name, LENGTH) and any(c.get("optim.schedule.kind") == "cosine" for c in configs):
        return False
    if _under(name, PLACE):
        return all(c.get("parallel", "jit") == "jit" for c in configs)
    return _under(name, HARMLESS)


def _under(name: str, prefixes: tuple[str, ...]) -> bool:
    return any(name == prefix or name.startswith(prefix + ".") for prefix in prefixes)


def _flat(config: Mapping, prefix: str = "") -> dict[str, Any]:
    flat = {}
    for key, value in config.items():
        if hasattr(value, "items"):  # a dict or a ConfigDict
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = _plain(value)
    return flat


def _plain(value: Any) -> Any:
    """As it looks after a trip through config.json; NaN becomes its name, as it does not equal itself."""
    value = json.loads(json.dumps(value, default=str))
    return "NaN" if value != value else value


def _show(flat: dict[str, Any], name: str) -> str:
    return json.dumps(flat[name]) if name in flat else "absent"
