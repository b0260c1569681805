"""How well an augmentation suits a teacher, before any training: the deviation of its mean probabilities.

    python -m kdjax.deviation --config configs/ds_srd_aug.py:mix=cutmix --config.teacher.checkpoint=TEACHER --epochs=10

Lower is better (Good-DA-in-KD); 10 epochs are the default. The config is one of kdjax.main's; its mix.* and data.* are
what counts.
"""
from __future__ import annotations

import json
import sys

from kdjax.device import start

if __name__ == "__main__":
    start.begin()  # first of all: it may start this process anew

from kdjax import methods
from kdjax.config import parse as command_line
from kdjax.config.command_line import guarded
from kdjax.device import compiled
from kdjax.errors import UserError
from kdjax.run.deviation import deviation


def main(argv: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    argv = list(sys.argv[1:] if argv is None else argv)
    if not argv or set(argv) & {"-h", "--help"}:
        print(__doc__)
        return 0 if argv else 2
    own, rest = [w for w in argv if w.startswith("--epochs=")], [w for w in argv if not w.startswith("--epochs=")]
    config = command_line.parse(rest, methods.canonical)
    compiled.install()
    print(json.dumps(deviation(config, count(own))))
    return 0


def count(words: list[str]) -> int:
    """The number of `--epochs=N`, the last one's; 10 where there is none."""
    text = words[-1].partition("=")[2] if words else "10"
    if not (text.isascii() and text.isdecimal() and 0 < int(text) < 10**6):
        raise UserError(f"--epochs={text} is no number of epochs; give 1 or more")
    return int(text)


if __name__ == "__main__":
    sys.exit(guarded(main))
