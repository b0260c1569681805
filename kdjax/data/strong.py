"""The strong view of DS-SRD and of contrastive learning: crop, colour jitter, grey, flip; and two views of a batch."""
from typing import NamedTuple

import jax
import jax.numpy as jnp

from kdjax.data import jitter, mixing, resize

Array = jax.Array
JITTER, GREY, FLIP = 0.8, 0.2, 0.5  # how often each is done


class Strong(NamedTuple):
    """Draws for B images: a crop, whether the jitter is done and its factors, whether grey, whether mirrored.

    crop: (top, left) int [B, 2] into the image padded on every side, or a box (top, left, height, width) [B, 4] of the
    image itself, which is resized to the image's size.
    """

    crop: Array
    jittered: Array
    jitter: jitter.Jitter
    grey: Array
    mirror: Array


def draw(key: Array, n: int, *, pad: int = 4, flip: bool = True) -> Strong:
    """DS-SRD's strong view: crop after padding `pad`; jitter 0.4 0.4 0.4 0.1 with probability 0.8; grey 0.2; mirrored
    half the time, if at all."""
    where, coins, factors = jax.random.split(key, 3)
    coin = jax.random.uniform(coins, (3, n), jnp.float32)
    crop = jax.random.randint(where, (n, 2), 0, 2 * pad + 1, dtype=jnp.int32)
    return Strong(crop, coin[0] < JITTER, jitter.draw(factors, n), coin[1] < GREY, (coin[2] < FLIP) & flip)


def apply(images: Array, draws: Strong, *, pad: int = 4) -> Array:
    """Strong views of uint8 images [B, H, W, 3] as floats in 0 .. 1, float32 (float64 under x64)."""
    x = images.astype(jnp.result_type(float)) / 255
    if draws.crop.shape[-1] == 2:
        x = mixing.crop(x, draws.crop[:, 0], draws.crop[:, 1], pad=pad, fill=0.0)
    else:
        x = resize.resized_crop(x, draws.crop, images.shape[1])
    x = _where(draws.jittered, jitter.apply(x, draws.jitter), x)
    x = _where(draws.grey, jitter.grey(x), x)
    return _where(draws.mirror, mixing.flip(x), x)


def view(options, mean, std, dtype=jnp.float32):
    """(draw, apply) of the strong view, by config.data's crop and flip: draw(key, n) -> Strong; apply(uint8 images,
    Strong) -> normalised images of `dtype`."""
    drawn = lambda key, n: draw(key, n, pad=options.crop, flip=options.flip)

    def seen(images, draws):
        x = apply(images, draws, pad=options.crop)
        return ((x - jnp.asarray(mean, x.dtype)) / jnp.asarray(std, x.dtype)).astype(dtype)

    return drawn, seen


def two_views(key: Array, images: Array, *, pad: int = 4) -> tuple[Array, Array]:
    """Two strong views of the same images, drawn independently."""
    one, other = jax.random.split(key)
    return tuple(apply(images, draw(k, len(images), pad=pad), pad=pad) for k in (one, other))


def _where(which: Array, yes: Array, no: Array) -> Array:
    return jnp.where(which[:, None, None, None], yes, no)
