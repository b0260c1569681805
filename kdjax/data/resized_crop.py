"""Random resized crops on the device: two small interpolation matrices an image, out = rows X columns^T.

As torchvision's RandomResizedCrop draws and Pillow resamples (bilinear, half-pixel centres, nothing outside the crop is
looked at), without rounding to 8 bits. Source: spec/self_supervised.md, 2.6 and 6.4.
"""
import math

import jax
import jax.numpy as jnp

TRIES = 10
RATIOS = (3 / 4, 4 / 3)


def draw(key: jax.Array, n: int, shape: tuple[int, int], area: tuple[float, float] = (0.2, 1.0)) -> jax.Array:
    """Boxes [n, 4] int32 (top, left, height, width) inside images of `shape`.

    Area uniform in `area` (a share of the image), log aspect ratio uniform in log 3/4 .. log 4/3; the first of ten
    candidates that fits; else the largest centred box with an admissible ratio.
    """
    height, width = shape
    share, ratio, place = jax.random.split(key, 3)
    pixels = height * width * jax.random.uniform(share, (n, TRIES), minval=area[0], maxval=area[1])
    ratios = jnp.exp(jax.random.uniform(ratio, (n, TRIES), minval=math.log(RATIOS[0]), maxval=math.log(RATIOS[1])))
    wide = jnp.round(jnp.sqrt(pixels * ratios)).astype(jnp.int32)
    high = jnp.round(jnp.sqrt(pixels / ratios)).astype(jnp.int32)
    fits = (wide > 0) & (wide <= width) & (high > 0) & (high <= height)
    first = jnp.argmax(fits, axis=1)[:, None]
    sizes = jnp.concatenate([jnp.take_along_axis(side, first, axis=1) for side in (high, wide)], axis=1)
    room = jnp.asarray(shape, jnp.int32) - sizes + 1
    corner = (jax.random.uniform(place, (n, 2)) * room).astype(jnp.int32)
    found = jnp.concatenate([jnp.minimum(corner, room - 1), sizes], axis=1)
    return jnp.where(fits.any(axis=1)[:, None], found, jnp.asarray(fallback(shape), jnp.int32))


def fallback(shape: tuple[int, int]) -> tuple[int, int, int, int]:
    """The largest centred box (top, left, height, width) of an admissible aspect ratio."""
    height, width = shape
    high, wide = height, width
    if width / height < RATIOS[0]:
        high = round(width / RATIOS[0])
    elif width / height > RATIOS[1]:
        wide = round(height * RATIOS[1])
    return (height - high) // 2, (width - wide) // 2, high, wide


def apply(images: jax.Array, boxes: jax.Array, size: int) -> jax.Array:
    """The boxes [B, 4] of images [B, H, W, C] (uint8 or float), resized to [B, size, size, C] in float32 or wider."""
    x = images.astype(jnp.promote_types(images.dtype, jnp.float32))
    rows = weights(boxes[:, 0], boxes[:, 2], x.shape[1], size, x.dtype)
    columns = weights(boxes[:, 1], boxes[:, 3], x.shape[2], size, x.dtype)
    return jnp.einsum("bih,bhwc,bjw->bijc", rows, x, columns, precision="highest")


def weights(start: jax.Array, length: jax.Array, extent: int, size: int, dtype=jnp.float32) -> jax.Array:
    """[B, size, extent]: how much of each of `extent` pixels is in each of `size` outputs of [start, start + length).

    A triangle about the output's centre, as wide as an input pixel, or as an output one where the crop shrinks
    (Pillow's antialiasing), cut to the crop, summing to one.
    """
    start, length = (value.astype(dtype)[:, None, None] for value in (start, length))
    scale = length / size
    centre = start + (jnp.arange(size, dtype=dtype)[:, None] + 0.5) * scale - 0.5
    pixel = jnp.arange(extent, dtype=dtype)[None]
    near = jnp.maximum(0, 1 - jnp.abs(pixel - centre) / jnp.maximum(scale, 1))
    near = jnp.where((pixel >= start) & (pixel < start + length), near, 0)
    return near / near.sum(-1, keepdims=True)
