"""Time and memory of one step of every method, as a multiple of plain KD's: `python benchmarks/methods.py [NAME...]`.

resnet32x4 -> resnet8x4 (methods that need equal shapes: resnet32x4 -> resnet14x4), batch 64, 50,000 images of 100
classes, CRD with its full banks (50,000 x 128 twice, 16,384 negatives). KD is timed again beside every method, in turn,
in one run. Memory is XLA's own account of the compiled step: temporaries, arguments and outputs, less what is donated.
"""
import argparse
import functools
import importlib
import json
import pathlib
import statistics
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import jax
import numpy as np

from benchmarks.step import MEAN, STD, first_state, timed
from kdjax import epoch_step, methods, models, parallel, state
from kdjax.step import Task

TEACHER, STUDENT, EQUAL, IMAGES, BATCH = "resnet32x4", "resnet8x4", "resnet14x4", 50_000, 64
EQUAL_SHAPES = ("fsp", "kdsvd", "ega")


class Side:
    """A compiled step with its state; the nets, the data and the order are shared."""

    def __init__(self, name: str, student: str, data, order_rows):
        config = importlib.import_module(f"configs.{name}").get_config(f"teacher={TEACHER},student={student}")
        config.devices = 1
        teacher, student = (models.build(n, num_classes=100, image_size=32) for n in (TEACHER, student))
        chosen = methods.build(config, student, teacher)
        place = parallel.Placement(config)
        task = Task(student, (teacher,), chosen, dict.fromkeys(chosen, 1.0), config.loss,
                    state.sgd(config, lambda _: 0.05))
        self.state = place.put_state(first_state(task, student, chosen, data["labels"], BATCH))
        teachers = place.put_state((teacher.init(jax.random.key(1)),))
        self.rest = (teachers, place.put_state(data), place.put_order(order_rows))
        step = place.compile(epoch_step.make(task, config, MEAN, STD, len(order_rows), "main", place))
        self.step = step.lower(self.state, *self.rest).compile()
        memory = self.step.memory_analysis()
        self.megabytes = (memory.temp_size_in_bytes + memory.argument_size_in_bytes + memory.output_size_in_bytes
                          - memory.alias_size_in_bytes) / 1e6

    def __call__(self, n: int) -> None:
        for _ in range(n):
            self.state, tick = self.step(self.state, *self.rest)
        tick.block_until_ready()


def warm(side: Side) -> Side:
    """The side after its first two steps."""
    side(2)
    return side


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="methods (default: all)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=1)
    parser.add_argument("--json")
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    data = {"images": rng.integers(0, 256, (IMAGES, 32, 32, 3), np.uint8),
            "labels": rng.integers(0, 100, IMAGES).astype(np.int32)}
    order = rng.permutation(IMAGES)[:100 * BATCH].reshape(100, BATCH).astype(np.int32)
    print(f"{TEACHER} -> {STUDENT}, batch {BATCH}; {jax.devices()[0].device_kind}; jax {jax.__version__}; "
          f"{args.rounds} rounds of {args.steps} steps, KD of the same pair beside each")
    plain = functools.cache(lambda student: warm(Side("kd", student, data, order)))
    rows = []
    for name in args.names or [n for n in methods.METHODS if n not in ("vanilla", "kd")]:
        student = EQUAL if name in EQUAL_SHAPES else STUDENT
        kd, side = plain(student), warm(Side(name, student, data, order))
        pairs = [(timed(kd, args.steps), timed(side, args.steps)) for _ in range(args.rounds)]
        ratio, ms = statistics.median(b / a for a, b in pairs), 1e3 * statistics.median(b for _, b in pairs)
        more = side.megabytes / kd.megabytes
        rows.append({"method": name, "ms": ms, "times_kd": ratio, "megabytes": side.megabytes, "memory_times_kd": more})
        print(f"{name:8s} {ms:8.1f} ms  {ratio:5.2f} x KD   {side.megabytes:7.0f} MB  {more:5.2f} x KD", flush=True)
    if args.json:
        with open(args.json, "w") as f:
            json.dump({"device": jax.devices()[0].device_kind, "rows": rows}, f, indent=1)


if __name__ == "__main__":
    main()
