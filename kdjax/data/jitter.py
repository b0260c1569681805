"""Colour jitter and grey on the device: float images [..., H, W, 3] in 0 .. 1, a factor an image.

Pillow's operations without its rounding to 8 bits; they stay within a level or so of it (hue: 13, as Pillow keeps HSV
in 8 bits).
"""
from typing import NamedTuple

import jax
import jax.numpy as jnp

Array = jax.Array
OPERATIONS = ("brightness", "contrast", "saturation", "hue")  # the codes of Jitter.order
HUE = OPERATIONS.index("hue")


class Jitter(NamedTuple):
    """Draws for B images: three factors (1 changes nothing) and a hue shift in turns, each [B]; order int [B, 4]."""

    brightness: Array
    contrast: Array
    saturation: Array
    hue: Array
    order: Array


def draw(key: Array, n: int, *, strength: float = 0.4, hue: float = 0.1) -> Jitter:
    """Factors uniform in 1 +- strength, hue in +- hue, the four operations in any order, for n images."""
    keys = jax.random.split(key, 5)
    uniform = lambda key, low, high: jax.random.uniform(key, (n,), jnp.float32, low, high)
    factors = [uniform(k, max(0.0, 1 - strength), 1 + strength) for k in keys[:3]]
    order = jnp.argsort(jax.random.uniform(keys[4], (n, 4), jnp.float32), axis=1).astype(jnp.int32)
    return Jitter(*factors, uniform(keys[3], -hue, hue), order)


def apply(images: Array, jitter: Jitter) -> Array:
    """The four operations on each image [B, H, W, 3], in its own order."""
    factors = jnp.stack(jitter[:4], axis=1)
    for code in jitter.order.T:
        factor = jnp.take_along_axis(factors, code[:, None], axis=1)[:, 0]
        images = _step(images, code, factor)
    return images


def adjust(images: Array, name: str, factor: Array) -> Array:
    """One operation of OPERATIONS on [B, H, W, 3], with a factor (hue: a shift in turns) for each image."""
    code = jnp.full(images.shape[:1], OPERATIONS.index(name))
    return _step(images, code, jnp.asarray(factor))


def grey(images: Array) -> Array:
    """Luma (0.299, 0.587, 0.114) in all three channels."""
    return jnp.broadcast_to(_luma(images), images.shape)


def _luma(x: Array) -> Array:
    """[..., 1]"""
    return x[..., :1] * 0.299 + x[..., 1:2] * 0.587 + x[..., 2:] * 0.114


def _step(x: Array, code: Array, factor: Array) -> Array:
    """Each image's own operation. The first three blend towards black, the mean luma, the luma: one blend serves all,
    which matters because a choice an image means that every branch is computed for every image."""
    code, factor = code[:, None, None, None], factor[:, None, None, None].astype(x.dtype)
    luma = _luma(x)
    mean = jnp.round(jnp.mean(luma, axis=(1, 2, 3), keepdims=True) * 255) / 255
    towards = jnp.where(code == 0, 0.0, jnp.where(code == 1, mean, luma))
    blended = jnp.clip(factor * x + (1 - factor) * towards, 0, 1)
    return jnp.where(code == HUE, _turn(x, factor), blended)


def _turn(x: Array, turns: Array) -> Array:
    """The hue moved by `turns` of the colour circle; value and saturation stay."""
    red, green, blue = x[..., 0], x[..., 1], x[..., 2]
    high, low = jnp.max(x, axis=-1), jnp.min(x, axis=-1)
    span = high - low
    safe = jnp.where(span > 0, span, 1)
    sector = jnp.where(red == high, (green - blue) / safe,
                       jnp.where(green == high, 2 + (blue - red) / safe, 4 + (red - green) / safe))
    sector = sector + 6 * turns[..., 0]
    place = lambda offset: (offset + sector) % 6
    channel = lambda offset: high - span * jnp.clip(jnp.minimum(place(offset), 4 - place(offset)), 0, 1)
    return jnp.stack([channel(5.0), channel(3.0), channel(1.0)], axis=-1)
