"""What is missing before a run: `python -m kdjax.doctor [--config configs/itrd.py[:...]] [--workdir DIR] [--no-run]`.

One line a check: ok, or what to fix. Status 0 when nothing must be fixed, else 1.
"""
from __future__ import annotations

import sys

from kdjax import main as front
from kdjax.config.command_line import Parser, guarded
from kdjax.run import checkup


def main(argv: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = Parser("kdjax doctor", description=__doc__.partition("\n")[0])
    parser.add_argument("--config", default="configs/vanilla.py:demo", help="whose data and teacher to look for")
    parser.add_argument("--workdir", default="")
    parser.add_argument("--no-run", action="store_true", help="leave the two-step run out")
    args = parser.parse_args(argv)
    config = front.parse([f"--config={args.config}", *([f"--workdir={args.workdir}"] if args.workdir else [])])
    own = [checkup.named(check, config) for check in (checkup.data, checkup.teachers, checkup.disk)]
    wrong = 0
    for check in [checkup.versions, checkup.devices, *own, *([] if args.no_run else [checkup.two_steps])]:
        for good, what, text in checkup.examine(check):
            mark = "ok " if good else "-- " if good is None else "FIX"
            print(f"{mark} {what}: {text}", flush=True)
            wrong += good is False
    print("all is well" if not wrong else f"{wrong} thing{'s' * (wrong > 1)} to fix")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(guarded(main))
