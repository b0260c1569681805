"""What a field of the config is."""
from __future__ import annotations

import dataclasses
import math
from typing import Any

from ml_collections import config_dict

TINY, HUGE = 1e-12, 2**31 - 1  # above nothing; what 32 bits hold


@dataclasses.dataclass(frozen=True)
class Field:
    """One field: its default, what it means, which values it takes, whether a resumed run may change it.

    A default of None makes the field optional; `kind` is then its type (else the default's). Numbers, and those in a
    list of `items`, lie in low .. high; words are one of `choices` (`called` says what those are, for the refusal).
    may_change: False where another value is another run, "always", or one of `kdjax.config.changes.RULES`.
    flags: what the original programs call it; a flag that several fields name sets them all.
    A field that is added later needs the default that does what kdjax did before: old runs are continued with it.
    """

    default: Any
    meaning: str
    _: dataclasses.KW_ONLY
    kind: type | None = None
    low: float = 0
    high: float = HUGE
    choices: tuple[str, ...] = ()
    called: str = ""
    items: type | None = None
    may_change: str | bool = False
    flags: tuple[str, ...] = ()

    def __post_init__(self):
        kind = type(self.default) if self.kind is None else self.kind
        if kind is type(None) or (kind is tuple and self.items is None):
            raise TypeError(f"{self.meaning!r}: an optional field needs its kind, a list what its items are")
        object.__setattr__(self, "kind", kind)

    def fresh(self):
        """The default as ml_collections wants it; made anew, for a placeholder keeps what it is set to."""
        if self.kind is object:  # a word, or numbers
            return config_dict.FieldReference(self.default, field_type=object)
        return config_dict.placeholder(self.kind) if self.default is None else self.default

    def refusal(self, value) -> str:
        """What is wrong with a value of the right type, as the end of a sentence; "" when nothing is."""
        if value is None:
            return ""
        if self.kind is tuple:
            return next(filter(None, map(self._entry, value)), "")
        if self.choices and value not in self.choices:
            return f"={value!r} is not {self._one_of()}"
        return self._number(value) if self.kind in (int, float) else ""

    def _one_of(self) -> str:
        every = ", ".join(self.choices)
        return f"{self.called}; use one of {every}" if self.called else f"one of {every}; choose one"

    def _entry(self, entry) -> str:
        words = self.items is str
        if isinstance(entry, bool) or not isinstance(entry, (int, float) if self.items is float else self.items):
            return f" holds {entry!r}; give {'names only, such as crd,kd' if words else 'numbers only, such as (1,2)'}"
        return "" if words else self._number(entry)

    def _number(self, value) -> str:
        if isinstance(value, float) and not math.isfinite(value):
            return f"={value} is not a finite number; correct it"
        if self.low <= value <= self.high:
            return ""
        bound = f"at least {self.low:g}" if value < self.low else f"at most {self.high:g}"
        return f"={value} is too {'small' if value < self.low else 'large'}; give {bound}"
