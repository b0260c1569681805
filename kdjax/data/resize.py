"""Images resized as Pillow resizes them: bilinear, filtered when shrinking. On the host in 8 bits, exactly."""
import jax
import jax.numpy as jnp
import numpy as np

BITS = 22  # Pillow's fixed point for 8-bit images


def resize(images: np.ndarray, size: int | tuple[int, int]) -> np.ndarray:
    """uint8 [B, H, W, C] -> uint8 [B, size, size, C] (or size = (height, width)), equal to Pillow's bit for bit.

    Two passes, columns first, each rounded to 8 bits, with weights of 22 bits. numpy, on the host: resizing is done
    once, when a data set is read.
    """
    height, width = size if isinstance(size, tuple) else (size, size)
    images = np.asarray(images)
    if images.shape[2] != width:
        images = _pass(images, fixed_point(images.shape[2], width), "bhwc,ow->bhoc")
    if images.shape[1] != height:
        images = _pass(images, fixed_point(images.shape[1], height), "bhwc,oh->bowc")
    return images


def resized_crop(images: jax.Array, box: jax.Array, size: int) -> jax.Array:
    """The boxes (top, left, height, width) [B, 4] of float images [B, H, W, C], each resized to size x size.

    On the device and without rounding, so within a level or so of Pillow on 8-bit values; box numbers may be traced.
    """
    (top, left, tall, wide), (height, width) = jnp.moveaxis(jnp.asarray(box), -1, 0), images.shape[1:3]
    rows, columns = _window(top, tall, height, size), _window(left, wide, width, size)
    return jnp.einsum("boh,bhwc,bpw->bopc", rows, images, columns, precision="highest").astype(images.dtype)


def triangle(n: int, m: int) -> np.ndarray:
    """float64 [m, n]: what output i takes of each input, a triangle of half-width max(n/m, 1) around (i + 1/2) n/m."""
    scale = n / m
    width = max(scale, 1.0)
    centre = (np.arange(m) + 0.5)[:, None] * scale
    first, last = np.maximum((centre - width + 0.5).astype(int), 0), np.minimum((centre + width + 0.5).astype(int), n)
    at = np.arange(n)[None, :]
    weight = np.where((at >= first) & (at < last), np.maximum(1 - np.abs((at - centre + 0.5) / width), 0), 0)
    return weight / weight.sum(1, keepdims=True)


def fixed_point(n: int, m: int) -> np.ndarray:
    """`triangle` in Pillow's integers: rounded multiples of 2**-22."""
    return np.floor(triangle(n, m) * (1 << BITS) + 0.5).astype(np.int64)


def _pass(images: np.ndarray, weights: np.ndarray, equation: str) -> np.ndarray:
    """One axis resized and rounded. Products of 8 and 22 bits are exact in float64, where BLAS is quick."""
    total = np.einsum(equation, images.astype(np.float64), weights.astype(np.float64), optimize=True)
    return np.clip((total.astype(np.int64) + (1 << (BITS - 1))) >> BITS, 0, 255).astype(np.uint8)


def _window(start, length, n: int, m: int) -> jax.Array:
    """[B, m, n]: `triangle` of each window [start, start + length) of an axis of n, normalised inside the window."""
    start, length = (jnp.asarray(v)[:, None, None] for v in (start, length))
    scale = length / m
    width = jnp.maximum(scale, 1.0)
    at = jnp.arange(n)[None, None, :]
    centre = start + (jnp.arange(m)[None, :, None] + 0.5) * scale
    inside = (at >= start) & (at < start + length)
    weight = jnp.where(inside, jnp.maximum(1 - jnp.abs((at + 0.5 - centre) / width), 0), 0)
    return weight / jnp.sum(weight, axis=-1, keepdims=True)
