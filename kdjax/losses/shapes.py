"""Refuses what broadcasting would hide: an axis of 1 fits any other, and out comes a number that looks right.

Shapes are known while a function is traced, so that nothing of this costs a step anything.
"""
import jax.numpy as jnp

from kdjax.losses.ops import Array, promote


def alike(loss: str, x: Array, y: Array) -> list[Array]:
    """Both in at least float32. Raises ValueError naming both shapes unless they are equal."""
    x, y = promote(x, y)
    same_shape(loss, x, y)
    return [x, y]


def same_shape(loss: str, x: Array, y: Array) -> None:
    """Raises ValueError naming both shapes unless they are equal (a 1x1 map against an 8x8 map)."""
    if x.shape != y.shape:
        raise ValueError(f"{loss}: student {x.shape} and teacher {y.shape} must have the same shape")


def same_channels(loss: str, x: Array, y: Array) -> None:
    """Raises ValueError unless the last axes agree."""
    if x.shape[-1] != y.shape[-1]:
        raise ValueError(f"{loss}: student {x.shape} and teacher {y.shape} must have equally many channels")


def same_batch(loss: str, *arrays: Array) -> None:
    """Raises ValueError unless the first axes agree."""
    if len({x.shape[0] for x in arrays}) > 1:
        raise ValueError(f"{loss}: shapes {', '.join(str(x.shape) for x in arrays)} must begin with the same batch")


def same_rows(loss: str, x: Array, rows: Array, what: str) -> None:
    """Raises ValueError unless `rows` [K, D] (a queue, clusters, classes) are as wide as the vectors x [..., D]."""
    if rows.ndim != 2 or rows.shape[-1] != x.shape[-1]:
        raise ValueError(f"{loss}: {what} must be rows of {x.shape[-1]} numbers each, not {rows.shape}")


def class_indices(labels: Array, rows: Array) -> Array:
    """The labels, one for each row [..., D]. Raises ValueError for one-hot labels and for too few or many."""
    labels = jnp.asarray(labels)
    if labels.shape != rows.shape[:-1]:
        raise ValueError(f"labels must be class indices, one a row: of shape {rows.shape[:-1]}, not {labels.shape} "
                         "(of one-hot labels take the argmax)")
    return labels


def is_label(labels: Array, logits: Array) -> Array:
    """[..., C] bool: True at each row's label; labels [...] as in `class_indices`."""
    return class_indices(labels, logits)[..., None] == jnp.arange(logits.shape[-1])
