"""Accuracy of a network.

    python -m kdjax.evaluate CHECKPOINT --dataset=cifar10 --data_dir=DIR [--stats=imagenet] [--json]
"""
from __future__ import annotations

import json
import sys
import types

from kdjax import weights
from kdjax.config.command_line import Parser, guarded
from kdjax.data import source
from kdjax.run.accuracy import check_classes, evaluate


def main(argv: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = Parser("kdjax evaluate", description="Top-1, top-5 and loss of a network on a test set.")
    parser.add_argument("checkpoint", help="a converted folder, a run, or a .pth file")
    parser.add_argument("--dataset", default="cifar100")
    parser.add_argument("--data_dir", default="")
    parser.add_argument("--stats", default="auto", help="whose mean and std: auto, cifar10, cifar100, imagenet")
    parser.add_argument("--model", help="the architecture, where the file does not tell; or your own class")
    parser.add_argument("--batch_size", type=int, default=500)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args(argv)
    if args.batch_size < 1:
        parser.error(f"--batch_size={args.batch_size} is too small")
    options = {"name": args.model} if args.model else {}
    net, variables = weights.load(args.checkpoint, **options)
    fields = types.SimpleNamespace(dataset=args.dataset, dir=args.data_dir, download=False, stats=args.stats,
                                   verify=True, image_size=None, per_class=0, valid_size=0, cache_dir="")
    known = source.known_classes(args.dataset)
    check_classes(net, known or net.num_classes, args.dataset)
    data = source.load(fields, seed=0)
    check_classes(net, data.num_classes, args.dataset)
    result = evaluate(net, variables, data.test, data.mean, data.std, args.batch_size)
    print(json.dumps(result) if args.json else
          f"{net.name} on {data.name}: top-1 {result['top1']:.2f}  top-5 {result['top5']:.2f}  "
          f"loss {result['loss']:.4f}  ({result['count']} images)")
    return 0


if __name__ == "__main__":
    sys.exit(guarded(main))
