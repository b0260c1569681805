"""The report in Markdown."""
from __future__ import annotations

from kdjax.tables.layout import Table, remarks, tables
from kdjax.tables.report import Report


def render(report: Report) -> str:
    """Pipe tables with their captions; sources and notes as a list."""
    notes = "\n".join(f"- {escape(line)}" for line in remarks(report))
    return "\n\n".join([*map(section, tables(report)), notes]).strip() + "\n"


def section(table: Table) -> str:
    """One pipe table; the best of a column in bold, others' numbers in italics."""
    rows = [[field(table, r, c, text) for c, text in enumerate(row)] for r, row in enumerate(table.rows)]
    lines = [list(map(escape, table.header)), ["---"] * len(table.header), *rows]
    return f"**{table.caption}**\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines)


def field(table: Table, row: int, column: int, text: str) -> str:
    """A field's text with its emphasis."""
    text = escape(text.strip())
    mark = "**" if (row, column) in table.strong else "*" if row in table.faint and text else ""
    return f"{mark}{text}{mark}"


def escape(text: str) -> str:
    """Signs that Markdown would take for its own."""
    for sign in "\\|*_<>`":
        text = text.replace(sign, "\\" + sign)
    return " ".join(text.split())
