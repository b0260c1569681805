"""Time and memory of a step as one thing grows: `python benchmarks/growth.py [--json FILE]`.

Batch, images, classes, CRD's negatives and RRD's queue, each alone, from the published values; the first size of every
row is 1. The sizes of a row are timed in turn, JAX set up as a command does it: a device a core, memory that is kept.
Memory is XLA's own account of one device's step. What should not grow (time with images and classes) is seen not to;
what must (time with the batch) is seen to grow no faster.
"""
import argparse
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from kdjax.device import start

if __name__ == "__main__":
    start.begin()

from benchmarks.side import Side, random_data, timed

GROWTH = {  # what grows: (method, field or "images" or "classes", sizes)
    "batch": ("kd", "data.batch_size", (64, 128, 256)),
    "images": ("kd", "images", (5_000, 50_000, 200_000)),
    "images, CRD's banks": ("crd", "images", (5_000, 50_000, 200_000)),
    "classes": ("kd", "classes", (10, 100, 1_000)),
    "negatives of CRD": ("crd", "method.crd.num_negatives", (1_024, 4_096, 16_384)),
    "queue of RRD": ("rrd", "method.rrd.queue_size", (1_024, 16_384, 65_536)),
}


def side(method: str, field: str, size: int, pair: str, most: int) -> Side:
    """The step at one size, after its first two."""
    own = {field: min(size, most)} if field in ("images", "classes") else {}
    changes = {} if own else {field: size}
    made = Side(method, *pair.split("/"), random_data(**{"images": min(5_000, most), **own}), devices=0, **changes)
    made(2)
    return made


def measure(what: str, pair: str, rounds: int, most: int) -> list[dict]:
    """Milliseconds (the least of `rounds`, the sizes in turn) and megabytes of a step."""
    method, field, sizes = GROWTH[what]
    sides = [side(method, field, size, pair, most) for size in sizes]
    turns = [[timed(each, 1) for each in sides] for _ in range(rounds)]
    return [{"size": size, "ms": 1e3 * min(times), "megabytes": each.megabytes}
            for size, each, times in zip(sizes, sides, zip(*turns))]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="*", help=f"any of: {', '.join(GROWTH)} (default: all)")
    parser.add_argument("--pair", default="resnet32x4/resnet8x4")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--most", type=int, default=200_000, help="images and classes at most")
    parser.add_argument("--json", help="also write the figures here")
    args = parser.parse_args()
    rows = {}
    for what in args.what or GROWTH:
        rows[what] = measure(what, args.pair, args.rounds, args.most)
        print(f"{what}: " + "  ".join(f"{r['size']}: {r['ms']:.0f} ms {r['megabytes']:.0f} MB" for r in rows[what]),
              flush=True)
    if args.json:
        with open(args.json, "w") as f:
            json.dump({"pair": args.pair, "rows": rows}, f, indent=1)


if __name__ == "__main__":
    main()
