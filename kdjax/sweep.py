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

from kdjax import fetch
from kdjax.config.command_line import Parser, guarded
from kdjax.errors import UserError
from kdjax.files.lock import run_lock
from kdjax.sweeps import local, overview, plan, raycluster, runner, slurm, spec

LAUNCHERS = {"local": lambda folder, slots, _: local.Local(folder, slots), "slurm": slurm.Slurm,
             "ray": raycluster.Cluster}


def parser() -> Parser:
    """The command line, all but --config.FIELD=VALUE."""
    made = Parser("kdjax.sweep", description=__doc__, allow_abbrev=False,
                  formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("folder", type=Path, metavar="FOLDER")
    made.add_argument("--sweep", metavar="FILE[:ARG]", help="a file with get_sweep(arg=None); the options below win")
    made.add_argument("--methods", type=spec.words, help="configs by name; crd+kd is configs/crd.py:kd")
    made.add_argument("--pairs", help="TEACHER/STUDENT,...; a teacher may be the path of a checkpoint")
    made.add_argument("--datasets", type=spec.words)
    made.add_argument("--seeds", type=spec.numbers, help="0,1,2 or 0-4")
    made.add_argument("--grid", action="append", default=[], metavar="FIELD=V1,V2", help="may be repeated")
    made.add_argument("--demo", action="store_true", default=None, help="small networks on the embedded digits")
    made.add_argument("--train-teachers", action="store_true", default=None, help="train teachers that are missing")
    made.add_argument("--jobs", type=int, default=0, metavar="N", help="runs at a time (default: one a device)")
    made.add_argument("--retries", type=int, default=runner.RETRIES, help="of a run that was killed (default: 2)")
    made.add_argument("--launcher", choices=LAUNCHERS, default="local")
    made.add_argument("--option", action="append", default=[], metavar="NAME=VALUE", help="for slurm and ray")
    made.add_argument("--dry-run", action="store_true", help="only show the commands")
    return made


def asked(args, fields: list[str]) -> spec.Spec:
    """The file's spec, changed by what the command line says."""
    made = spec.from_file(args.sweep) if args.sweep else spec.Spec()
    pairs = tuple(map(spec.pair, spec.words(args.pairs))) if args.pairs else None
    given = {"methods": args.methods, "pairs": pairs, "datasets": args.datasets, "seeds": args.seeds,
             "demo": args.demo, "train_teachers": args.train_teachers}
    made.__dict__.update({name: value for name, value in given.items() if value is not None})
    made.grid |= dict(map(spec.values, args.grid))
    made.fields |= dict(map(field, fields))
    return spec.tidy(made, args.sweep or "sweep")


def field(text: str) -> tuple[str, str]:
    """`--config.FIELD=VALUE` as (field, value)."""
    name, equals, value = text.partition("=")
    if not name.startswith("--config.") or not equals:
        raise UserError(f"{text!r} is not understood; fields are set as --config.FIELD=VALUE, `--help` shows the rest")
    return name.removeprefix("--config."), value


def main(argv: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    args, fields = parser().parse_known_args(argv)
    options = dict(text.partition("=")[::2] for text in args.option)
    jobs = plan.plan(asked(args, fields), args.folder, fetch.TEACHERS)
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
    return closing(jobs, args.folder, status)


def closing(jobs: list, folder: Path, status: int) -> int:
    """The last lines: what failed, and what comes next."""
    failed = [job for job in jobs if job.state == "failed"]
    for job in failed:
        print(f"failed: {job.name}: {job.why}")
    done = sum(job.state == "finished" for job in jobs)
    again = "; the same command goes on" if done < len(jobs) else ""
    print(f"{done} of {len(jobs)} jobs are done, {len(failed)} failed{again}\npython -m kdjax.report {folder}")
    return status


if __name__ == "__main__":
    sys.exit(guarded(main))
