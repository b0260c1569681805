"""The report in LaTeX: a booktabs table for the paper (needs \\usepackage{booktabs})."""
from __future__ import annotations

from kdjax.tables import layout
from kdjax.tables.layout import Table
from kdjax.tables.report import Report

SIGNS = {"\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
         "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$", "→": r"$\rightarrow$", "<": "$<$",
         ">": "$>$"}


def render(report: Report) -> str:
    """The main table as a float; sources and notes as comments and as a note below it."""
    if not report.cells:
        return "% no finished run\n"
    gone = layout.missing(report)
    lost = [f"% {' '.join(row)}" for row in gone.rows] if gone else []
    notes = [rf"  \par\footnotesize {escape(line)}" for line in layout.remarks(report)]
    return "\n".join([*lost, r"\begin{table}[t]", r"  \centering", *tabular(layout.main(report)), *notes,
                      r"\end{table}", ""])


def tabular(table: Table) -> list[str]:
    """The caption and the tabular itself."""
    rows = [[field(table, r, c, text) for c, text in enumerate(row)] for r, row in enumerate(table.rows)]
    lines = [f"    {' & '.join(row)} \\\\" for row in rows]
    return [rf"  \caption{{{escape(table.caption)}}}", rf"  \begin{{tabular}}{{l{'r' * (len(table.header) - 1)}}}",
            r"    \toprule", f"    {' & '.join(map(escape, table.header))} \\\\", r"    \midrule", *lines,
            r"    \bottomrule", r"  \end{tabular}"]


def field(table: Table, row: int, column: int, text: str) -> str:
    """A field's text with its emphasis."""
    indent = r"\quad " if row in table.faint and column == 0 else ""
    text = escape(text.strip())
    return indent + (rf"\textbf{{{text}}}" if (row, column) in table.strong else
                     rf"\textit{{{text}}}" if row in table.faint and text else text)


def escape(text: str) -> str:
    """Text as LaTeX prints it."""
    return "".join(SIGNS.get(sign, sign) for sign in text)
