"""The names of methods, data sets and config fields as a table shows them."""
from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from kdjax.config.fields import renamed
from kdjax.methods import ALIASES

WITH_KD = ("kd", "vanilla", "semckd", "srrl")  # their own definition has the KL term, or no method beside it
OFFICIAL = {"cifar-100-python": "cifar100", "cifar-10-batches-py": "cifar10"}
ARCHIVES = (".npz", ".tar.gz")


def method(names: list[str], alpha: float, program: str = "distil", kd_kind: str = "kl") -> str:
    """`crd+kd`: the methods joined, and kd where the KL term comes to methods that are published without it.

    kd_kind: what alpha weighs; where it is no KL term, its name is among the methods.

    Other programs than ordinary distillation come first: `double_student`, `double_student+crd`.
    """
    names = [ALIASES.get(name, name) for name in names]
    if program != "distil":
        return "+".join([program, *(name for name in names if name != "vanilla")])
    return "+".join(names + (["kd"] if alpha > 0 and kd_kind == "kl" and not set(names) & set(WITH_KD) else []))


def from_paper(name: str) -> str:
    """`CRD+KD`, `FitNet`, `attention` as kdjax's own name."""
    parts = name.strip().lower().replace(" ", "").split("+")
    return "+".join(ALIASES.get(part, part) for part in parts)


def dataset(name: str) -> str:
    """A data set's name, or the last part of its path without the ending."""
    last = Path(name).name if name else ""
    for ending in ARCHIVES:
        last = last.removesuffix(ending)
    return OFFICIAL.get(last, last)


def path_name(path: object) -> str:
    """A short name for a teacher that is known by its checkpoint only."""
    given = Path(str(path or ""))
    return given.parent.name if given.suffix or given.name == "student" else given.name


def flat(config: Mapping, prefix: str = "") -> dict:
    """{"loss.beta": 1.0, ...} of nested blocks, in today's names; lists become tuples, so that they can be compared."""
    out = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            out |= flat(value, f"{prefix}{key}.")
        else:
            out[renamed(f"{prefix}{key}")] = tuple(value) if isinstance(value, list) else value
    return out
