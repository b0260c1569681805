"""Figures of trained networks, as PNG and PDF.

    python -m kdjax.plot correlation STUDENT... --teacher TEACHER --dataset cifar100 --data_dir DIR
    python -m kdjax.plot tsne CHECKPOINT... --dataset cifar100 --data_dir DIR [--features penultimate]

A checkpoint is a run, a converted folder or a .pth file. correlation: the mean logits of each true class, student minus
teacher. tsne: all classes, and the first 20 once more alone. Files are named after the checkpoints, in --out.
"""
from __future__ import annotations

import argparse
import sys
from pathlib import Path

from kdjax.device import start

if __name__ == "__main__":
    start.begin()  # first of all: it may start this process anew

from kdjax.config.command_line import Parser, guarded
from kdjax.device import compiled
from kdjax.tables import pictures


def parser() -> Parser:
    """The command line."""
    made = Parser("kdjax plot", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = made.add_subparsers(dest="verb", required=True)
    for verb, draw in (("correlation", pictures.correlation), ("tsne", pictures.tsne)):
        own = verbs.add_parser(verb)
        own.set_defaults(draw=draw)
        own.add_argument("checkpoints", nargs="+", metavar="CHECKPOINT")
        own.add_argument("--dataset", default="cifar100")
        own.add_argument("--data_dir", default="")
        own.add_argument("--stats", default="auto", help="whose mean and std: auto, cifar10, cifar100, imagenet")
        own.add_argument("--out", type=Path, default=Path("figures"), help="a folder (default: figures)")
        own.add_argument("--model", help="the architecture, for .pth files that do not tell")
    verbs.choices["correlation"].add_argument("--teacher", required=True, metavar="CHECKPOINT")
    verbs.choices["correlation"].add_argument("--raw", action="store_true", help="logits as they are, not standardized")
    verbs.choices["tsne"].add_argument("--features", choices=("logits", "penultimate"), default="logits")
    verbs.choices["tsne"].add_argument("--seed", type=int, default=0)
    return made


def main(argv: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    args = parser().parse_args(argv)
    compiled.install()
    args.draw(args, pictures.load(args))
    return 0


if __name__ == "__main__":
    sys.exit(guarded(main))
