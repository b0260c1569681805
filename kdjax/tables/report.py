"""The report as data: cells, the runs that gave none, notes, and the JSON that `--json` prints."""
from __future__ import annotations

import dataclasses
from pathlib import Path

from kdjax.errors import UserError
from kdjax.tables import against, cells, published, runs
from kdjax.tables.cells import Cell
from kdjax.tables.runs import Record

COPIES = "{} is a copy of a run that is counted already: left out"


@dataclasses.dataclass
class Report:
    """What all renderings show. other: the name of the --against table, or ""."""

    cells: list[Cell]
    records: list[Record]
    notes: list[str]
    other: str = ""

    def having(self, state: str) -> list[Record]:
        """The runs in one state."""
        return [record for record in self.records if record.state == state]

    @property
    def columns(self) -> list[tuple[str, str, str]]:
        """(teacher, student, data set), in the order in which the runs name them; a student that occurs alone last."""
        pairs = {(c.teacher, c.student, c.dataset): None for c in self.cells if c.method != "vanilla"}
        taught = {pair[1:] for pair in pairs}
        alone = {("", c.student, c.dataset): None for c in self.cells
                 if c.method == "vanilla" and (c.student, c.dataset) not in taught}
        return [*pairs, *alone]

    @property
    def rows(self) -> list[str]:
        """The labels of the method rows: vanilla first, the others as their papers came."""
        labels = {c.label: c.method for c in self.cells}
        return sorted(labels, key=lambda label: (age(labels[label]), label))

    def at(self, label: str, column: tuple[str, str, str]) -> Cell | None:
        """The cell of a row and a column; the student alone stands in the column of every teacher."""
        teacher, student, dataset = column
        return next((c for c in self.cells if c.label == label and (c.student, c.dataset) == (student, dataset)
                     and (c.method == "vanilla" or c.teacher == teacher)), None)

    def teacher(self, column: tuple[str, str, str]) -> float | None:
        """The teacher's top-1, as the column's runs measured it."""
        here = [c for c in self.cells if c.method != "vanilla" and column == (c.teacher, c.student, c.dataset)]
        own = [r.teacher_top1 for c in here for r in c.runs if r.teacher_top1 is not None]
        return sum(own) / len(own) if own else None


def age(method: str) -> tuple:
    """The place of a method's row: that of published.csv, which is by year; strangers after it."""
    order = ["vanilla", *dict.fromkeys(published.naming.from_paper(row["method"]) for row in published.rows())]
    return (order.index(method) if method in order else len(order), method)


def build(folders: list[Path], other: str = "") -> Report:
    """The report of all runs in and under `folders`, beside the table `other` where one is given."""
    records, copies = cells.distinct(without_teachers(runs.collect(folders)))
    found = cells.cells(records)
    notes = [COPIES.format(record.folder) for record in copies if record.folder.name != "alone"] + cautions(found)
    if other and not against.attach(found, other):
        raise UserError(f"no row of {other} is about a method, pair and data set of these runs")
    return Report(found, records, notes, Path(other.partition(":")[0]).name)


def without_teachers(records: list[Record]) -> list[Record]:
    """The runs, less those that only trained a teacher of the others; unless there is nothing else."""
    used = {Path(str(r.fields["teacher.checkpoint"]) or ".").resolve() for r in records
            if r.fields.get("teacher.checkpoint")}
    kept = [r for r in records if not {r.folder.resolve(), r.folder.resolve() / "student"} & used]
    return kept or records


def cautions(found: list[Cell]) -> list[str]:
    """What a reader must know of the comparison with the papers."""
    notes = []
    compared = [run for cell in found if cell.published for run in cell.runs]
    lengths = sorted({int(run.fields.get("train.epochs", published.EPOCHS)) for run in compared})
    if [length for length in lengths if length != published.EPOCHS]:
        notes.append(f"published numbers are after {published.EPOCHS} epochs; these runs have "
                     f"{', '.join(map(str, lengths))}")
    if any(c.last.n == 1 for c in found):
        notes.append("a single run has no deviation and no interval: give more seeds")
    return notes


def as_json(report: Report) -> dict:
    """What `--json` prints. Numbers are percent; None where something is unknown, never NaN."""
    gone = lambda state: [{"folder": str(r.folder), "method": r.method, "teacher": r.teacher, "student": r.student,
                           "dataset": r.dataset, "seed": r.seed, "why": r.why} for r in report.having(state)]
    return {"cells": [cell_json(report, cell) for cell in report.cells], "failed": gone("failed"),
            "unfinished": gone("unfinished") + gone("waiting"), "notes": report.notes, "against": report.other or None}


def cell_json(report: Report, cell: Cell) -> dict:
    """One entry of "cells"."""
    spread = lambda name, d: {name: d and d.value, f"{name}_low": d and d.low, f"{name}_high": d and d.high}
    theirs = published.teacher(cell.teacher, cell.dataset)
    return {
        "method": cell.method, "teacher": cell.teacher, "student": cell.student, "dataset": cell.dataset,
        "variant": cell.variant, "n": cell.last.n, "mean": cell.last.mean, "sd": cell.last.sd,
        "ci_low": cell.last.low, "ci_high": cell.last.high, "best_mean": cell.best.mean, "best_sd": cell.best.sd,
        "published": cell.published and cell.published.top1, "source": cell.published and cell.published.source,
        **spread("difference", cell.difference), **spread("gain", cell.gain),
        "vanilla_mean": cell.vanilla and cell.vanilla.last.mean,
        "teacher_top1": cell.mean(lambda r: r.teacher_top1), "teacher_published": theirs and theirs.top1,
        "against": cell.against and cell.against._asdict(), **spread("against_difference", cell.offset),
        "images_per_second": cell.mean(lambda r: r.images_per_second), "seconds": cell.mean(lambda r: r.seconds),
        **{name: cell.mean(lambda r, name=name: runs.number(r.agreement.get(name)))
           for name in ("teacher_agreement", "teacher_kl", "ece")},
        "seeds": [r.seed for r in cell.runs], "runs": [str(r.folder) for r in cell.runs]}
