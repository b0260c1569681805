"""Images moved: each output pixel takes the nearest input pixel of an affine map, black outside."""
import jax
import jax.numpy as jnp

Array = jax.Array


def nearest(images: Array, matrix) -> Array:
    """images [B, H, W, C] seen through ((a, b), (c, d)): output (x', y') shows input (a x' + b y', c x' + d y').

    x runs right and y down, in pixels from the image's centre; a place beyond the border is 0.
    """
    (a, b), (c, d) = matrix
    height, width = images.shape[1:3]
    x, y = jnp.arange(width) - (width - 1) / 2, jnp.arange(height)[:, None] - (height - 1) / 2
    column, row = a * x + b * y + (width - 1) / 2, c * x + d * y + (height - 1) / 2
    return _gather(images, jnp.round(row).astype(jnp.int32), jnp.round(column).astype(jnp.int32))


def shift(images: Array, down, right) -> Array:
    """images [B, H, W, C] moved by whole pixels; what comes in from outside is 0."""
    height, width = images.shape[1:3]
    row = jnp.arange(height)[:, None] - jnp.asarray(down).astype(jnp.int32)
    column = jnp.arange(width) - jnp.asarray(right).astype(jnp.int32)
    return _gather(images, *jnp.broadcast_arrays(row, column))


def rotation(degrees: Array):
    """The matrix of `nearest` that turns an image by `degrees`."""
    angle = jnp.deg2rad(degrees)
    return (jnp.cos(angle), -jnp.sin(angle)), (jnp.sin(angle), jnp.cos(angle))


def _gather(images, row, column):
    """images[:, row, column], 0 where that lies outside; row, column: int [H, W]."""
    height, width = images.shape[1:3]
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    taken = images[:, jnp.clip(row, 0, height - 1), jnp.clip(column, 0, width - 1)]
    return jnp.where(inside[..., None], taken, 0).astype(images.dtype)
