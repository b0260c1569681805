"""How good a trained network's features are elsewhere: a linear classifier on them, or fine-tuning.

    python -m kdjax.transfer CHECKPOINT --dataset cifar10 [--network weak|strong|teacher] [--config.FIELD=VALUE ...]
    python -m kdjax.transfer data --dataset cifar10 -a resnet18 --start-eval 80 --lr 10 --pretrained FILE

CHECKPOINT is a run of kdjax, a converted folder or a PyTorch file; the second form is the command of DS-SRD and i-Mix
(main_lincls*.py), whose first word is the folder of the data. Exit status and resuming as for kdjax.main.
"""
from __future__ import annotations

import posixpath
import sys

from kdjax import main as front
from kdjax.config.command_line import guarded
from kdjax.config.flags import PROGRAMS

PROGRAM = "main_lincls.py"


def worded(argv: list[str]) -> list[str]:
    """The command as one of an original program that kdjax.main understands."""
    rest = argv[1:] if argv[:1] in (["python"], ["python3"]) else argv
    program = posixpath.basename(rest[0]) if rest else ""
    if program in PROGRAMS:
        return rest
    named = any(word.partition("=")[0] == "--pretrained" for word in rest)
    if rest and not rest[0].startswith("-") and not named:
        rest = ["--pretrained", *rest]
    return [PROGRAM, *rest]


def main(argv: list[str] | None = None) -> int:
    """Trains the classifier and returns the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    if not argv or set(argv) & {"-h", "--help"}:
        print(__doc__)
        return 0 if argv else 2
    return front.main(worded(argv))


if __name__ == "__main__":
    sys.exit(guarded(main))
