"""The report as one HTML page that needs nothing beside it: tables, figures inside, no script, no address."""
from __future__ import annotations

import base64
from html import escape

from kdjax.tables import layout, plots
from kdjax.tables.layout import Table
from kdjax.tables.report import Report

STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; color: #1b1b1f; background: #fff;
       max-width: 1180px; margin: 2rem auto; padding: 0 1.25rem; }
h1 { font-size: 1.6rem; margin: 0 0 .25rem; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; }
.counts { color: #55555f; margin: 0; } .lost { color: #a33; font-weight: 600; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .92rem; }
caption { text-align: left; color: #55555f; padding-bottom: .5rem; caption-side: top; }
th, td { padding: .34rem .8rem; text-align: left; white-space: nowrap; border-bottom: 1px solid #e4e4ea; }
thead th { border-bottom: 2px solid #1b1b1f; } tbody th { font-weight: 600; }
tr.faint td, tr.faint th { color: #5a5a66; font-weight: 400; font-size: .86rem; border-bottom-color: #f0f0f4; }
tr.faint th { padding-left: 1.8rem; } td.why { white-space: normal; min-width: 18rem; }
figure { margin: 0 0 1.6rem; } figure img { max-width: 100%; height: auto; }
figcaption { font-weight: 600; margin-bottom: .4rem; }
ul { padding-left: 1.2rem; color: #44444c; font-size: .9rem; }
"""


def render(report: Report) -> str:
    """The whole page."""
    figures = "".join(figure(title, image) for title, image in plots.figures(report).items())
    main, *rest = [f"<div class='scroll'>{table(t)}</div>" for t in layout.tables(report)] or ["<p>No run.</p>"]
    notes = "".join(f"<li>{escape(line)}</li>" for line in layout.remarks(report))
    return (f"<!doctype html>\n<html lang='en'><head><meta charset='utf-8'><title>kdjax report</title>"
            f"<meta name='viewport' content='width=device-width, initial-scale=1'><style>{STYLE}</style></head><body>"
            f"<h1>Distillation report</h1><p class='counts'>{counts(report)}</p>"
            f"<h2>Results</h2>{main}{'<h2>Figures</h2>' + figures if figures else ''}"
            f"{'<h2>Details</h2>' + '<p></p>'.join(rest) if rest else ''}"
            f"{f'<h2>Notes</h2><ul>{notes}</ul>' if notes else ''}</body></html>\n")


def counts(report: Report) -> str:
    """How many runs are in which state."""
    parts = [(len(report.having(state)), word) for state, word in
             (("finished", "finished"), ("failed", "failed"), ("unfinished", "unfinished"), ("waiting", "not started"))]
    show = lambda n, word: f"<span class='lost'>{n} {word}</span>" if word == "failed" else f"{n} {word}"
    return f"{len(report.records)} runs: " + ", ".join(show(n, word) for n, word in parts if n)


def table(t: Table) -> str:
    """A table with row headings."""
    head = "".join(f"<th scope='col'>{escape(text)}</th>" for text in t.header)
    return (f"<table><caption>{escape(t.caption)}</caption><thead><tr>{head}</tr></thead><tbody>"
            f"{''.join(row(t, number) for number in range(len(t.rows)))}</tbody></table>")


def row(t: Table, number: int) -> str:
    """One row; others' numbers fainter, the best of a column bold, reasons wrapped."""
    label, *fields = t.rows[number]
    cells = []
    for column, text in enumerate(fields, 1):
        inner = f"<strong>{escape(text)}</strong>" if (number, column) in t.strong else escape(text)
        cells.append(f"<td{' class=why' if t.header[column] == 'why' else ''}>{inner}</td>")
    return (f"<tr{' class=faint' if number in t.faint else ''}><th scope='row'>{escape(label.strip())}</th>"
            f"{''.join(cells)}</tr>")


def figure(title: str, image: bytes) -> str:
    """A figure as an image inside the page."""
    data = base64.b64encode(image).decode()
    return (f"<figure><figcaption>{escape(title)}</figcaption>"
            f"<img alt='{escape(title)}' src='data:image/svg+xml;base64,{data}'></figure>")
