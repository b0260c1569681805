"""The table of many runs.

    python -m kdjax.report FOLDER...                        mean +- sd over seeds, best, published, differences
    python -m kdjax.report FOLDER --out t.md --out t.html   also .tex, .csv, .json
    python -m kdjax.report FOLDER --against original_accuracies.csv:protocol=2k

A FOLDER is a sweep's, a run's, or one that holds runs. Failed and unfinished runs are named, never counted.
"""
from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from kdjax.config.command_line import Parser, guarded
from kdjax.errors import UserError
from kdjax.files.atomic import atomic_write_text
from kdjax.tables import agreement, latex, markdown, page, report, spreadsheet, terminal

FORMATS = {"terminal": terminal.render, "markdown": markdown.render, "csv": spreadsheet.render, "latex": latex.render,
           "html": page.render, "json": lambda found: json.dumps(report.as_json(found), indent=1) + "\n"}
ENDINGS = {".txt": "terminal", ".md": "markdown", ".csv": "csv", ".tex": "latex", ".html": "html", ".json": "json"}


def write(found: report.Report, path: Path) -> None:
    """The report in the format that the file's ending names."""
    if path.suffix not in ENDINGS:
        raise UserError(f"--out {path}: the ending tells the format; give one of {', '.join(ENDINGS)}")
    text = FORMATS[ENDINGS[path.suffix]](found)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write_text(path, text)
    except OSError as error:
        raise UserError(f"cannot write {path} ({error.strerror}); choose another --out") from None


def main(argv: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = Parser("kdjax report", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--against", default="", metavar="CSV", help="another table of accuracies, shown beside")
    parser.add_argument("--format", choices=FORMATS, default="terminal", help="of what is printed")
    parser.add_argument("--json", action="store_const", const="json", dest="format", help="the same as --format json")
    parser.add_argument("--out", action="append", default=[], type=Path, help="also write FILE; may be repeated")
    parser.add_argument("--agreement", action="store_true", help="measure agreement with the teacher and calibration "
                        "(evaluates every student once; kept in the run's agreement.json)")
    args = parser.parse_args(argv)
    found = report.build(args.folders, args.against)
    if args.agreement:
        missing = agreement.measure_all(found.records, say=lambda text: print(text, file=sys.stderr))
        found = report.build(args.folders, args.against)
        found.notes += missing
    for path in args.out:
        write(found, path)
    print(FORMATS[args.format](found), end="")
    return 0


if __name__ == "__main__":
    sys.exit(guarded(main))
