"""What limits a KD step on a CPU: `python benchmarks/limit.py [--pair A/B] [--json FILE]`.

On one core, with that core's share of a batch of 64: every convolution of the step alone (the teacher's forward, the
student's forward, by input and by kernel), each as kdjax computes it, beside the same core's rate for matrix products.
Their sum is what is left of the step when all the rest is free.
"""
import argparse
import collections
import json
import os
import pathlib
import sys
import time
import unittest.mock

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from kdjax.device import start

if __name__ == "__main__":
    start.begin()
    CORES = start.cores()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

import jax
import jax.numpy as jnp

from kdjax import models
from kdjax.models import layers
from kdjax.models.convolution import convolve

BATCH, SIDE = 64, 2048


def fastest(function, *arrays, rounds: int) -> float:
    """Seconds of the fastest of some calls."""
    call, times = jax.jit(function), []
    jax.block_until_ready(call(*arrays))
    for _ in range(rounds):
        began = time.perf_counter()
        jax.block_until_ready(call(*arrays))
        times.append(time.perf_counter() - began)
    return min(times)


def shapes(name: str, images: int) -> collections.Counter:
    """{(image shape, kernel shape, stride, padding, groups): how many} of a network's convolutions."""
    found, net = collections.Counter(), models.build(name, num_classes=100, image_size=32)
    def noted(x, kernel, *how):
        found[(x.shape, kernel.shape, *how)] += 1
        return convolve(x, kernel, *how)
    with unittest.mock.patch.object(layers, "convolve", noted):
        variables = net.init(jax.random.key(0))
        found.clear()
        jax.eval_shape(lambda x: net.apply(variables, x, train=False), jnp.zeros((images, 32, 32, 3)))
    return found


def convolutions(name: str, images: int, taught: bool, rounds: int) -> tuple[float, float]:
    """(seconds, multiplications and additions) of all of a network's. taught: with both gradients."""
    seconds = work = 0
    for (of_x, of_kernel, *how), count in shapes(name, images).items():
        x, kernel = (jax.random.normal(jax.random.key(0), shape) for shape in (of_x, of_kernel))
        forward = lambda x, kernel, how=how: convolve(x, kernel, *how)
        out = jax.eval_shape(forward, x, kernel).shape
        g = jnp.ones(out)
        parts = [fastest(forward, x, kernel, rounds=rounds)]
        if taught:
            pull = lambda side, x, kernel, g: jax.vjp(forward, x, kernel)[1](g)[side]
            parts += [fastest(lambda *a, side=side: pull(side, *a), x, kernel, g, rounds=rounds)
                      for side in ((0, 1) if of_x[-1] > 3 else (1,))]  # nobody asks for the images' gradient
        seconds += count * sum(parts)
        work += count * len(parts) * 2 * out[0] * out[1] * out[2] * kernel.size
    return seconds, work


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pair", default="wrn_40_2/wrn_16_2")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", help="also write the figures here")
    args = parser.parse_args()
    square = jnp.ones((SIDE, SIDE))
    product = 2e-9 * SIDE ** 3 / fastest(jnp.matmul, square, square, rounds=args.rounds)
    sums = [convolutions(name, BATCH // CORES, taught, args.rounds)
            for name, taught in zip(args.pair.split("/"), (False, True))]
    seconds, work = (sum(part) for part in zip(*sums))
    found = {"pair": args.pair, "images": BATCH // CORES, "convolutions_ms": 1e3 * seconds,
             "convolutions_gflops": 1e-9 * work / seconds, "matrix_product_gflops": product, "gflop": 1e-9 * work}
    print("  ".join(f"{name} {value:.1f}" if isinstance(value, float) else f"{name} {value}"
                    for name, value in found.items()))
    if args.json:
        with open(args.json, "w") as f:
            json.dump(found, f, indent=1)


if __name__ == "__main__":
    main()
