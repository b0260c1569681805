"""Small things that several methods need: which maps meet which, and how large a batch they see."""
from __future__ import annotations

from collections.abc import Sequence

import jax

from kdjax.methods.base import feature_shape


def stage_pairs(ctx) -> list[tuple[jax.Array, jax.Array]]:
    """(student, teacher) maps stage by stage, without the stem; a longer list's tail is left out, as released."""
    return list(zip(ctx.student.features.maps[1:], ctx.teacher.features.maps[1:]))


def widths(student, teacher) -> tuple[int, int]:
    """Lengths of both penultimate vectors."""
    (d_s,), (d_t,) = feature_shape(student, "embedding"), feature_shape(teacher, "embedding")
    return d_s, d_t


def channels(shapes: Sequence[tuple[int, ...]]) -> list[int]:
    """Channel counts of map shapes (H, W, C)."""
    return [shape[-1] for shape in shapes]


def share_of_batch(config) -> int:
    """Images that one call of a method sees: the batch, or one replica's share of it."""
    if config.parallel == "pmap":
        return config.data.batch_size // (config.devices or jax.device_count())
    return config.data.batch_size // config.replicas
