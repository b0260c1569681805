"""Time and memory of one step of every method, as a multiple of plain KD's: `python benchmarks/methods.py [NAME...]`.

resnet32x4 -> resnet8x4 (methods that need equal shapes: resnet32x4 -> resnet14x4), batch 64, 50,000 images of 100
classes, CRD with its full banks (50,000 x 128 twice, 16,384 negatives). JAX is set up as a command does it: a device a
core, memory that is kept. KD is timed again beside every method, in turn, in one run. Memory is XLA's own account of
one device's step: temporaries, arguments and outputs, less what is donated. DS-SRD's programs follow the methods; how
many images each network is shown in a step explains what they cost.
"""
import argparse
import functools
import json
import pathlib
import statistics
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from kdjax.device import start

if __name__ == "__main__":
    start.begin()

import jax

from benchmarks.side import BATCH, Side, random_data, timed
from kdjax import methods

TEACHER, STUDENT, EQUAL = "resnet32x4", "resnet8x4", "resnet14x4"
EQUAL_SHAPES = ("fsp", "kdsvd", "ega")
PROGRAMS = {  # DS-SRD's, each a config with its arguments; batch 64 like the rest
    "double student": "ds_srd", "prototypes": "ds_srd_proto",
    **{f"mixing, {mode}": f"ds_srd_aug:mix={mode}" for mode in (
        "identity", "autoaugment", "cutmix", "cutmix_pick_student", "cutmix_pick_teacher")}}


def warm(side: Side) -> Side:
    """The side after its first two steps."""
    side(2)
    return side


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="methods or programs (default: all)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=1)
    parser.add_argument("--json")
    args = parser.parse_args()
    data, rows = random_data(), []
    print(f"{TEACHER} -> {STUDENT}, batch {BATCH}; {jax.devices()[0].device_kind}; jax {jax.__version__}; "
          f"{args.rounds} rounds of {args.steps} steps, KD of the same pair beside each")
    plain = functools.cache(lambda student: warm(Side("kd", TEACHER, student, data, devices=0)))
    for name in args.names or [*(n for n in methods.METHODS if n not in ("vanilla", "kd", "proto")), *PROGRAMS]:
        student = EQUAL if name in EQUAL_SHAPES else STUDENT
        kd = plain(student)
        side = warm(Side(PROGRAMS.get(name, name), TEACHER, student, data, devices=0, **{"data.batch_size": BATCH}))
        pairs = [(timed(kd, args.steps), timed(side, args.steps)) for _ in range(args.rounds)]
        ratio, ms = statistics.median(b / a for a, b in pairs), 1e3 * statistics.median(b for _, b in pairs)
        more = side.megabytes / kd.megabytes
        shown = ", ".join(f"{net} {count / BATCH:g}" for net, count in side.passes.items())
        rows.append({"method": name, "ms": ms, "times_kd": ratio, "megabytes": side.megabytes, "memory_times_kd": more,
                     "passes": shown})
        print(f"{name:8s} {ms:8.1f} ms  {ratio:5.2f} x KD   {side.megabytes:7.0f} MB  {more:5.2f} x KD   {shown}",
              flush=True)
    if args.json:
        with open(args.json, "w") as f:
            json.dump({"device": jax.devices()[0].device_kind, "rows": rows}, f, indent=1)


if __name__ == "__main__":
    main()
