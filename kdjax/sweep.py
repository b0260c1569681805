"""Many runs from one command.

    python -m kdjax.sweep FOLDER --methods kd,itrd --pairs resnet56/resnet20 --seeds 0,1,2 [--config.FIELD=VALUE ...]
    python -m kdjax.sweep FOLDER --sweep configs/sweeps/baselines.py
    python -m kdjax.sweep FOLDER --methods vanilla,kd,itrd --pairs resnet14/resnet8 --seeds 0,1 --demo

Every run is an ordinary run folder in FOLDER. The same command continues: what is finished is skipped, what was killed
goes on, what failed is tried again. Exit status: 0 all done, 1 some failed (listed at the end), 2 a mistake in what was
asked, 75 stopped by a signal after saving. `python -m kdjax.report FOLDER` makes the table.
"""
from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from kdjax.config.command_line import Parser, guarded
from kdjax.files.lock import run_lock
from kdjax.run import fetch
from kdjax.sweeps import local, overview, plan, raycluster, runner, slurm, spec, words

LAUNCHERS = {"local": lambda folder, slots, _: local.Local(folder, slots), "slurm": slurm.Slurm,
             "ray": raycluster.Cluster}


def parser() -> Parser:
    """The command line, all but --config.FIELD=VALUE."""
    made = Parser("kdjax sweep", description=__doc__, allow_abbrev=False,
                  formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("folder", type=Path, metavar="FOLDER")
    made.add_argument("--sweep", metavar="FILE[:ARG]", help="a file with get_sweep(arg=None); the options below win")
    made.add_argument("--methods", type=words.words, help="configs by name; crd+kd is configs/crd.py:kd")
    made.add_argument("--pairs", help="TEACHER/STUDENT,...; a teacher may be the path of a checkpoint")
    made.add_argument("--datasets", type=words.words)
    made.add_argument("--seeds", type=words.numbers, help="0,1,2 or 0-4")
    made.add_argument("--grid", action="append", default=[], metavar="FIELD=V1,V2", help="may be repeated")
    made.add_argument("--demo", action="store_true", default=None, help="small networks on the embedded digits")
    made.add_argument("--train-teachers", action="store_true", default=None, help="train teachers that are missing")
    made.add_argument("--jobs", type=int, default=0, metavar="N", help="runs at a time (default: one a device)")
    made.add_argument("--retries", type=int, default=runner.RETRIES, help="of a run that was killed (default: 2)")
    made.add_argument("--launcher", choices=LAUNCHERS, default="local")
    made.add_argument("--option", action="append", default=[], metavar="NAME=VALUE", help="for slurm and ray")
    made.add_argument("--dry-run", action="store_true", help="only show the commands")
    return made


def main(argv: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    args, fields = parser().parse_known_args(argv)
    options = dict(text.partition("=")[::2] for text in args.option)
    jobs = plan.plan(spec.asked(args, fields), args.folder, fetch.TEACHERS)
    if args.dry_run:
        print("\n".join(shlex.join(["python", *job.command]) for job in jobs))
        return 0
    with run_lock(args.folder):
        launcher = LAUNCHERS[args.launcher](args.folder, max(0, args.jobs), options)
        print(f"{len(jobs)} jobs, {launcher.what}; the folder is {args.folder}", flush=True)
        try:
            status = runner.Runner(jobs, args.folder, launcher, overview.Overview(launcher.slots), args.retries).run()
        finally:
            launcher.close()
    return overview.closing(jobs, args.folder, status)


if __name__ == "__main__":
    sys.exit(guarded(main))
