"""The random streams of a run: pure functions of (seed, purpose, step), so that a resumed run draws the same."""
from __future__ import annotations

import zlib

import jax


def stream(seed, purpose: str, step=0) -> jax.Array:
    """The PRNG key of one purpose at one step. seed and step may be traced."""
    purpose_number = zlib.crc32(purpose.encode()) & 0x7FFFFFFF
    return jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), purpose_number), step)
