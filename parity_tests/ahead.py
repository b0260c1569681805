"""Computes the next result of a list while a test looks at this one: half of each is compilation, on one core."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent import futures

import jax

POOL = futures.ThreadPoolExecutor(2)


class Ahead:
    """{name: compute(name)}, each computed once, the one after the one asked for already begun."""

    def __init__(self, names: Sequence[str], compute: Callable):
        self.names, self.compute, self.begun = list(names), compute, {}

    def __getitem__(self, name: str):
        at = self.names.index(name)
        for each in self.names[at:at + 2]:
            self.begun[each] = self.begun.get(each) or POOL.submit(self.exactly, each)
        return self.begun[name].result()

    def exactly(self, name: str):
        """In float64 here too: conftest.py's settings belong to its thread."""
        with jax.enable_x64(True), jax.default_matmul_precision("highest"):
            return self.compute(name)
