"""The table's cells: runs that differ in nothing but the seed, and what their numbers say together."""
from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

from kdjax.config.fields import FIELDS
from kdjax.methods import METHODS
from kdjax.tables import published, statistics
from kdjax.tables.runs import Record
from kdjax.tables.statistics import Difference, Summary

REPEATS = ("seed",)  # what repeats of one experiment may differ in
OUTSIDE = ("experiment", "teacher.checkpoint", "parallel")  # where and from which path, not what
BOOKKEEPING = ("always", "under jit")  # Field.may_change of what no number depends on
PROTOCOL = ("data", "optim", "train", "replicas")  # what a student alone must share to be compared with


@dataclasses.dataclass
class Cell:
    """The finished runs of one method, pair and data set. variant: the settings that tell it from its neighbours."""

    method: str
    teacher: str
    student: str
    dataset: str
    variant: str
    runs: list[Record]
    vanilla: Cell | None = None  # the student alone under the same protocol
    against: Summary | None = None  # another table's entry, by --against

    @property
    def label(self) -> str:
        """The row's name."""
        return f"{self.method} ({self.variant})" if self.variant else self.method

    @functools.cached_property
    def last(self) -> Summary:
        """Top-1 after the last epoch, over the runs: the headline."""
        return statistics.summary([run.last["top1"] for run in self.runs])

    @functools.cached_property
    def best(self) -> Summary:
        """Top-1 of each run's best epoch, which is chosen on the test set."""
        return statistics.summary([run.best["top1"] for run in self.runs])

    @functools.cached_property
    def published(self) -> published.Published | None:
        """The paper's number."""
        return published.student(self.method, self.teacher, self.student, self.dataset) if not self.variant else None

    @property
    def difference(self) -> Difference | None:
        """Last-epoch mean minus the published number."""
        return statistics.from_constant(self.last, self.published.top1) if self.published else None

    @property
    def gain(self) -> Difference | None:
        """Last-epoch mean minus that of the student alone."""
        return statistics.between(self.last, self.vanilla.last) if self.vanilla else None

    @property
    def offset(self) -> Difference | None:
        """Last-epoch mean minus the other table's."""
        return statistics.between(self.last, self.against) if self.against else None

    def mean(self, value: Callable[[Record], float | None]) -> float | None:
        """The mean of what the runs know of something; None where none knows it."""
        known = [found for run in self.runs if (found := value(run)) is not None]
        return sum(known) / len(known) if known else None


def distinct(records: list[Record]) -> tuple[list[Record], list[Record]]:
    """(runs, copies): a run whose config, accuracies and curve equal an earlier one's is no further evidence."""
    seen, own, copies = set(), [], []
    for record in records:
        same = (record.method, record.student, record.dataset, record.teacher, record.curve, str(record.last),
                tuple(sorted((k, str(v)) for k, v in meaning(record, repeats=False).items())))
        (copies if same in seen and record.state == "finished" else own).append(record)
        seen.add(same)
    return own, copies


def meaning(record: Record, repeats: bool = True) -> dict:
    """The fields that make a run another experiment (repeats: not those of a mere repeat), its teacher by accuracy."""
    outside = (*OUTSIDE, *(REPEATS if repeats else ()))
    under = lambda name: any(name == part or name.startswith(f"{part}.") for part in outside)
    harmless = lambda name: name in FIELDS and FIELDS[name].may_change in BOOKKEEPING
    fields = {k: v for k, v in (defaults() | record.fields).items() if not idle(k, record.method.split("+"))}
    found = {k: v for k, v in fields.items() if not (under(k) or harmless(k))}
    if record.fields.get("teacher.checkpoint") and record.teacher_top1 is not None:
        found["teacher top-1"] = round(record.teacher_top1, 2)
    return found


def idle(field: str, methods: list[str]) -> bool:
    """Whether a field means nothing to these methods: another method's settings; a teacher's, for a student alone."""
    block, *rest = field.split(".")
    if methods == ["vanilla"] and block in ("method", "teacher", "loss"):
        return field != "loss.gamma"
    return block == "method" and len(rest) > 1 and rest[0] in METHODS and rest[0] not in methods


@functools.cache
def defaults() -> dict:
    """What a field that an older run's config lacks stood at."""
    return {name: field.default for name, field in FIELDS.items()}


def cells(records: list[Record]) -> list[Cell]:
    """The cells of the finished runs, each with the student alone beside it where the same protocol trained one."""
    groups: dict[tuple, list[Record]] = {}
    for record in records:
        key = (record.method, record.teacher, record.student, record.dataset)
        if record.state == "finished":
            groups.setdefault(key, []).append(record)
    found = [cell for key, group in groups.items() for cell in split(key, group)]
    alone = [cell for cell in found if cell.method == "vanilla"]
    for cell in found:
        if cell.method != "vanilla":
            cell.vanilla = next((v for v in alone if same_protocol(cell, v)), None)
    return found


def split(key: tuple, group: list[Record]) -> list[Cell]:
    """One cell for every setting that occurs among the runs of a method and pair: a mean never mixes two settings."""
    meanings = [meaning(record) for record in group]
    names = sorted({name for m in meanings for name in m if any(m.get(name) != o.get(name) for o in meanings)})
    variants: dict[str, list[Record]] = {}
    for record, m in zip(group, meanings):
        variants.setdefault(", ".join(f"{n}={shown(m.get(n))}" for n in names), []).append(record)
    return [Cell(*key, variant, runs) for variant, runs in sorted(variants.items())]


def shown(value: object) -> str:
    """A field's value for a row's name."""
    return ",".join(map(str, value)) if isinstance(value, tuple) else f"{value:g}" if isinstance(value, float) else \
        "-" if value is None else str(value)


def same_protocol(cell: Cell, alone: Cell) -> bool:
    """Whether `alone` is the same student on the same data, trained in the same way."""
    parts = lambda c: {k: v for k, v in meaning(c.runs[0]).items() if k.split(".")[0] in PROTOCOL}
    return (cell.student, cell.dataset) == (alone.student, alone.dataset) and parts(cell) == parts(alone)
