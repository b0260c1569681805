"""Another table of accuracies, such as the original code's: `report --against FILE.csv[:column=value,...]`.

Understood: one row a run, or one an epoch (then the last epoch of each run counts), with the columns `method` and
`test_top1`; or one row a cell with `mean`, `sd`, `n`, as `report --out table.csv` writes. `student_acc` is a paper's
single number. Columns `teacher`, `student`, `dataset` narrow a row to a pair where they are there; `protocol` to data
sets whose name ends in it (cifar10_2k for 2k).
"""
from __future__ import annotations

import csv
import math
import re
from pathlib import Path

from kdjax.errors import UserError
from kdjax.tables import naming, statistics
from kdjax.tables.cells import Cell
from kdjax.tables.statistics import Summary

VALUES = ("test_top1", "top1", "mean", "student_acc")
PAIR = ("teacher", "student", "dataset")


def attach(cells: list[Cell], spec: str) -> int:
    """Gives every cell its entry of the other table; returns how many have one. Raises UserError for a bad file."""
    rows = read(spec)
    known = {row["protocol"] for row in rows if row.get("protocol")}
    for cell in cells:
        here = known & set(re.split(r"[^0-9A-Za-z]+", cell.dataset))
        own = [row for row in rows if fits(row, cell) and (not here or row["protocol"] in here)]
        if len(protocols := sorted({row["protocol"] for row in own if row.get("protocol")})) > 1:
            raise UserError(f"{spec} has rows of {' and '.join(protocols)} for {cell.method} on {cell.dataset}; choose "
                            f"with --against {spec.partition(':')[0]}:protocol={protocols[0]}")
        cell.against = entry(own, spec) if own else None
    return sum(cell.against is not None for cell in cells)


def read(spec: str) -> list[dict]:
    """The rows that the filter after the colon keeps."""
    name, _, wanted = spec.partition(":")
    conditions = [part.partition("=")[::2] for part in filter(None, wanted.split(","))]
    try:
        with open(Path(name), encoding="utf-8-sig", newline="") as file:
            rows = [{k: (v or "").strip() for k, v in row.items() if k} for row in csv.DictReader(file)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"cannot read {name} ({getattr(error, 'strerror', None) or error}); give a CSV file") from None
    columns = rows[0].keys() if rows else ()
    if "method" not in columns or not set(VALUES) & set(columns):
        raise UserError(f"{name} needs the columns method and one of {', '.join(VALUES)}; it has "
                        f"{', '.join(columns) or 'none'}")
    for column, _value in conditions:
        if column not in columns:
            raise UserError(f"{name} has no column {column!r}; it has {', '.join(columns)}")
    return [row for row in rows if all(row[column] == value for column, value in conditions)]


def fits(row: dict, cell: Cell) -> bool:
    """Whether a row speaks of the cell's method, and of its pair and data as far as it names them."""
    given = [(row[key], getattr(cell, key)) for key in PAIR if row.get(key)]
    if cell.method == "vanilla":
        given = [(theirs, own) for theirs, own in given if own]  # the student alone has no teacher to compare
    return (naming.from_paper(row["method"]) == cell.method and row.get("variant", "") == cell.variant
            and all(theirs == own for theirs, own in given))


def entry(rows: list[dict], spec: str) -> Summary:
    """The summary of one cell's rows."""
    value = next(name for name in VALUES if name in rows[0])
    try:
        if value in ("mean", "student_acc") and len(rows) == 1:
            return statistics.of(int(rows[0].get("n") or 1), finite(rows[0][value]),
                                 finite(rows[0]["sd"]) if rows[0].get("sd") else None)
        return statistics.summary([finite(row[value]) for row in last_epochs(rows)])
    except ValueError as error:
        raise UserError(f"{spec.partition(':')[0]}: {error}; columns {value}, epoch, sd and n hold numbers") from None


def last_epochs(rows: list[dict]) -> list[dict]:
    """Of every run (seed) the row of its last epoch; all rows where the table has no epochs."""
    if not rows[0].get("epoch"):
        return rows
    runs: dict[str, dict] = {}
    for row in rows:
        if int(row["epoch"]) >= int(runs.setdefault(row.get("seed", ""), row)["epoch"]):
            runs[row.get("seed", "")] = row
    return list(runs.values())


def finite(text: str) -> float:
    """A finite number of a CSV field."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text!r} is not finite")
    return value
