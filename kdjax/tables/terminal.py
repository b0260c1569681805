"""The report for a terminal."""
from __future__ import annotations

from kdjax.run.text import table as aligned
from kdjax.tables.layout import Table, remarks, tables
from kdjax.tables.report import Report


def render(report: Report) -> str:
    """Aligned columns; the sources and notes below."""
    notes = "\n".join(remarks(report))
    return "\n\n".join([*map(section, tables(report)), *([notes] if notes else [])]) + "\n"


def section(table: Table) -> str:
    """A caption and its table."""
    return f"{table.caption}\n{aligned([table.header, *table.rows])}"
