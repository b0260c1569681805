"""Accuracy of a network.

    python -m kdjax.evaluate CHECKPOINT --dataset=cifar10 --data_dir=DIR [--stats=network] [--json]
"""
from __future__ import annotations

import json
import sys

from kdjax.device import start

if __name__ == "__main__":
    start.begin()  # first of all: it may start this process anew

from kdjax.config.command_line import Parser, callable_as, guarded
from kdjax.device import compiled
from kdjax.run.measure import evaluate, measured
from kdjax.run.text import accuracies


def main(argv: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = Parser("kdjax evaluate", description="Top-1, top-5 and loss of a network on a test set.")
    parser.add_argument("checkpoint", help="a converted folder, a run, or a .pth file")
    parser.add_argument("--dataset", default="cifar100")
    parser.add_argument("--data_dir", default="")
    parser.add_argument("--stats", default="auto", help="mean and std: auto (the data's), network (those of its "
                        "training, where it says so), the name of a data set, or six numbers joined by commas")
    parser.add_argument("--model", help="the architecture, where the file does not tell; or your own class")
    parser.add_argument("--batch_size", type=int, default=500)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args(argv)
    if args.batch_size < 1:
        parser.error(f"--batch_size={args.batch_size} is too small")
    compiled.install()
    net, result = measured(args.checkpoint, args.dataset, args.data_dir, args.stats, args.model, args.batch_size)
    print(json.dumps(result) if args.json else
          f"{net.name} on {args.dataset}: {accuracies(result, net.num_classes)}  loss {result['loss']:.4f}  "
          f"({result['count']} images)")
    return 0


callable_as(__name__, evaluate)

if __name__ == "__main__":
    sys.exit(guarded(main))
