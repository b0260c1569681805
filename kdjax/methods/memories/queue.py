"""A memory of the teacher's most recent embeddings, first in, first out."""
from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

from kdjax import losses
from kdjax.errors import UserError
from kdjax.methods.taps import share_of_batch


def check(method: str, config) -> None:
    """Refuses batches that would not tile the queue."""
    size, batch = config.method[method].queue_size, share_of_batch(config)
    if size < batch or size % batch:
        raise UserError(f"config.method.{method}.queue_size={size} must be a multiple of the {batch} images of a step; "
                        f"change it or config.data.batch_size")
    if not config.data.drop_last:
        raise UserError(f"{method}'s queue takes whole batches only; set config.data.drop_last=True")


def init(key: jax.Array, size: int, dim: int) -> dict[str, jax.Array]:
    """Random unit rows [size, dim] and the pointer. (The original normalises columns, so its first rows are short.)"""
    return {"queue": losses.l2_normalize(jax.random.normal(key, (size, dim))), "ptr": jnp.zeros((), jnp.int32)}


def around(loss: Callable[[jax.Array], jax.Array], memory: dict, keys: jax.Array,
           enqueue: str) -> tuple[jax.Array, dict]:
    """(loss(queue), memory with `keys` enqueued): "before" the loss sees them, or "after" it."""
    rows, ptr = losses.queue_enqueue(memory["queue"], memory["ptr"], keys)
    seen = rows if enqueue == "before" else memory["queue"]
    return loss(seen), memory | {"queue": rows, "ptr": ptr}
