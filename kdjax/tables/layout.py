"""The report as tables of words: the paper's table, one line a cell, and what did not finish.

A Table is what every rendering takes: a caption, a header, rows of strings, and what deserves emphasis.
"""
from __future__ import annotations

import dataclasses

from kdjax.run.text import clock
from kdjax.tables import published
from kdjax.tables.report import Report
from kdjax.tables.runs import Record, number
from kdjax.tables.statistics import Difference, Summary

PM = "±"


@dataclasses.dataclass
class Table:
    """strong: (row, column) of what deserves bold; faint: rows that explain the one above."""

    caption: str
    header: list[str]
    rows: list[list[str]]
    strong: set = dataclasses.field(default_factory=set)
    faint: set = dataclasses.field(default_factory=set)


def spread(s: Summary | None) -> str:
    """`74.92 ± 0.21 (5)`."""
    return "" if s is None else f"{s.mean:.2f} ({s.n})" if s.sd is None else f"{s.mean:.2f} {PM} {s.sd:.2f} ({s.n})"


def change(d: Difference | None) -> str:
    """`+0.31 [-0.10, +0.72]`."""
    if d is None:
        return ""
    return f"{d.value:+.2f}" + ("" if d.low is None else f" [{d.low:+.2f}, {d.high:+.2f}]")


def plain(value: float | None, form: str = ".2f") -> str:
    """A number, or nothing."""
    return "" if value is None else format(value, form)


def sources(report: Report) -> dict[str, int]:
    """{source: its number}, of the published numbers that are shown."""
    shown = [c.published.source for c in report.cells if c.published]
    shown += [p.source for column in report.columns if (p := published.teacher(column[0], column[2]))]
    return {source: number for number, source in enumerate(dict.fromkeys(shown), 1)}


def main(report: Report) -> Table:
    """Rows are methods, columns pairs: mean ± sd (n) of the last epoch, the best beside it; published numbers below."""
    columns = report.columns
    table = Table(f"Top-1 in percent after the last epoch, mean {PM} sd (runs); best epoch beside it",
                  ["", *(heading(column) for column in columns)], [])
    cited = sources(report)
    teachers = [report.teacher(column) for column in columns]
    if any(t is not None for t in teachers):
        add(table, "teacher", [plain(t) for t in teachers])
        quote(table, "published", [cite(published.teacher(c[0], c[2]), cited) for c in columns])
    tops = [max((c.last.mean for label in report.rows if (c := report.at(label, column))), default=None)
            for column in columns]
    for label in report.rows:
        found = [report.at(label, column) for column in columns]
        add(table, label, [f"{spread(c.last)}; best {c.best.mean:.2f}" if c else "" for c in found])
        table.strong |= {(len(table.rows) - 1, k + 1) for k, c in enumerate(found) if c and c.last.mean == tops[k]}
        quote(table, "published", [c and c.published and f"{cite(c.published, cited)}  {change(c.difference)}"
                                   for c in found])
        quote(table, report.other, [c and c.against and f"{spread(c.against)}  {change(c.offset)}" for c in found])
    return table


def heading(column: tuple[str, str, str]) -> str:
    """`resnet56 → resnet20, cifar100`."""
    teacher, student, dataset = column
    return f"{teacher} → {student}, {dataset}" if teacher else f"{student}, {dataset}"


def cite(number: published.Published | None, cited: dict[str, int]) -> str:
    """`74.92 [1]`."""
    return f"{number.top1:.2f} [{cited[number.source]}]" if number else ""


def add(table: Table, label: str, fields: list[str]) -> None:
    """One more row."""
    table.rows.append([label, *fields])


def quote(table: Table, label: str, fields: list) -> None:
    """A row of others' numbers below the last one, where there is any."""
    if any(fields):
        table.faint.add(len(table.rows))
        add(table, f"  {label}", [field or "" for field in fields])


def details(report: Report) -> Table:
    """One line a cell: interval, best, gain over the student alone, agreement, calibration, speed."""
    head = ["method", "pair", "last", "95% interval", "best", "gain over vanilla", "images/s", "time a run"]
    extra = {"agreement %": "teacher_agreement", "KL to teacher": "teacher_kl", "ECE %": "ece"}
    extra = {k: v for k, v in extra.items() if any(v in r.agreement for c in report.cells for r in c.runs)}
    table = Table("Every cell", [*head[:6], *extra, *head[6:]], [])
    for label in report.rows:
        for c in (c for c in report.cells if c.label == label):
            interval = "" if c.last.low is None else f"{c.last.low:.2f} .. {c.last.high:.2f}"
            seconds = c.mean(lambda r: r.seconds)
            table.rows.append([
                label, heading((c.teacher, c.student, c.dataset)), spread(c.last), interval, spread(c.best),
                change(c.gain), *(measured(c, key) for key in extra.values()),
                plain(c.mean(lambda r: r.images_per_second), ".0f"), "" if seconds is None else clock(seconds)])
    return table


def measured(cell, key: str) -> str:
    """A figure of agreement.json."""
    return plain(cell.mean(lambda r: number(r.agreement.get(key))), ".3f" if key == "teacher_kl" else ".2f")


def missing(report: Report) -> Table | None:
    """The runs that gave no number, and why; None where there is none."""
    gone = [*report.having("failed"), *report.having("unfinished"), *report.having("waiting")]
    row = lambda r: [{"waiting": "not started"}.get(r.state, r.state), who(r), str(r.folder), r.why]
    return Table("Runs without a result", ["state", "run", "folder", "why"], list(map(row, gone))) if gone else None


def who(record: Record) -> str:
    """`kd resnet14 → resnet8, digits, seed 1`."""
    return f"{record.method} {heading((record.teacher, record.student, record.dataset))}, seed {record.seed}"


def tables(report: Report) -> list[Table]:
    """All of them, less the empty ones."""
    filled = [main(report), details(report)] if report.cells else []
    return [table for table in (*filled, missing(report)) if table]


def remarks(report: Report) -> list[str]:
    """The lines under the tables: sources, notes, how the numbers were made."""
    cited = [f"[{number}] {source}" for source, number in sources(report).items()]
    how = ["best is chosen on the test set; the headline is the last epoch. Intervals are 95%: Student's t for a mean, "
           "Welch's for a difference of two; beside a published number, whose spread is unknown, our own spread alone"]
    ece = any("ece" in r.agreement for c in report.cells for r in c.runs)
    how += ["agreement: share of test images on which student and teacher name the same class; KL of the teacher's "
            "probabilities from the student's; ECE: expected calibration error in 15 bins"] if ece else []
    return [*cited, *report.notes, *(how if report.cells else [])]
