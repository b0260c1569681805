"""The report as CSV: one row a cell, full precision, readable again by --against."""
from __future__ import annotations

import csv
import io

from kdjax.tables.report import Report, as_json

LEFT_OUT = ("runs", "seeds", "against")


def render(report: Report) -> str:
    """The cells of --json, lists left out; empty where something is unknown. Names cannot become formulas."""
    cells = as_json(report)["cells"]
    names = [name for name in (cells[0] if cells else {"method": "", "mean": ""}) if name not in LEFT_OUT]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([[safe(cell[name]) for name in names] for cell in cells])
    return out.getvalue()


def safe(value: object) -> object:
    """A text that a spreadsheet would take for a formula gets an apostrophe before it."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@") else value
