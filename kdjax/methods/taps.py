"""Small things that several methods need: which maps meet which, and how large a batch they see."""
from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from kdjax import losses
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


def logits(ctx, standardize: bool = False) -> tuple[jax.Array, jax.Array]:
    """Both networks' logits on the main view, standardised where a method's option says so."""
    pair = ctx.student.logits, ctx.teacher.logits
    return tuple(map(losses.standardize_logits, pair)) if standardize else pair


def warm_up(ctx, epochs: int, first: float = 1.0):
    """The factor of a term that grows linearly to 1 over `epochs` epochs: (epoch - 1 + first) / epochs, at most 1.

    first: 1 where a release counts epochs from 1, 0 where it counts from 0. 1 without a warm-up or a count of epochs.
    """
    if not epochs or ctx.epoch is None:
        return 1.0
    return jnp.minimum((ctx.epoch - 1 + first) / epochs, 1.0)


def cross_entropy(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """The mean over the batch, in at least float32."""
    log_p = jax.nn.log_softmax(logits.astype(jnp.promote_types(logits.dtype, jnp.float32)))
    return -jnp.mean(jnp.take_along_axis(log_p, labels[:, None], axis=1))


def head_of_positions(head, f: jax.Array) -> jax.Array:
    """[B, ..., D] -> [B, ..., classes]: a classifier that takes [n, D], at every position of a map or of regions."""
    out = head(f.reshape(-1, f.shape[-1]))
    return out.reshape(*f.shape[:-1], out.shape[-1])


def classifier(net) -> tuple[str, ...]:
    """The path of a network's classifier in its parameters: its last linear layer; () if there is none."""
    found = [path[:-1] for path, kind in getattr(net, "leaf_paths", ()) if kind == "linear" and path[-1] == "kernel"]
    return found[-1] if found else ()
