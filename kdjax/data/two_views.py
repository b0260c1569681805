"""The random views of contrastive learning on the device: resized crop, jitter, grey, flip; and those of other inputs.

Source: spec/self_supervised.md, 2.6 and section 4. Floats in 0 .. 1 until normalising, without Pillow's rounding.
"""
from typing import NamedTuple

import jax
import jax.numpy as jnp

from kdjax.data import jitter, resized_crop, views

JITTER, GREY = 0.8, 0.2     # how often each is done
AREA = (0.2, 1.0)


class Seen(NamedTuple):
    """Draws for B images. box int [B, 4]; jittered, grey, mirror: bool [B]."""

    box: jax.Array
    jittered: jax.Array
    jitter: jitter.Jitter
    grey: jax.Array
    mirror: jax.Array


def draw(key: jax.Array, n: int, shape: tuple[int, int], flip: bool = True) -> Seen:
    """Views of n images of `shape` (height, width)."""
    box, coins, factors = jax.random.split(key, 3)
    coin = jax.random.uniform(coins, (3, n), jnp.float32)
    return Seen(resized_crop.draw(box, n, shape, AREA), coin[0] < JITTER, jitter.draw(factors, n), coin[1] < GREY,
                (coin[2] < 0.5) & flip)


def apply(images: jax.Array, seen: Seen) -> jax.Array:
    """The views of uint8 images [B, H, W, 3], floats in 0 .. 1 of the images' height."""
    x = resized_crop.apply(images, seen.box, images.shape[1]) / 255
    x = _where(seen.jittered, jitter.apply(x, seen.jitter), x)
    x = _where(seen.grey, jitter.grey(x), x)
    return _where(seen.mirror, x[:, :, ::-1], x)


def images(shape, mean, std, dtype, flip: bool = True, augment: bool = True):
    """(draw, apply) of a view of images; without `augment`, scaled and normalised only."""
    if not augment:
        return (lambda key, n: jnp.zeros(n, bool)), (lambda x, _: views.normalize(x, mean, std, dtype))
    drawn = lambda key, n: draw(key, n, shape, flip)
    return drawn, lambda x, seen: views.normalize(apply(x, seen), mean, std, dtype)


def table(numbers: int, dropped: float, dtype):
    """(draw, apply) of a view of rows [B, F]: each of the leading `numbers` columns set to 0 with probability
    `dropped`, nothing rescaled."""
    drawn = lambda key, n: jax.random.uniform(key, (n, numbers)) > dropped

    def seen(rows, kept):
        kept = jnp.pad(kept, ((0, 0), (0, rows.shape[1] - numbers)), constant_values=True)
        return jnp.where(kept, rows, 0).astype(dtype)
    return drawn, seen


def versions(count: int, dtype):
    """(draw, apply) of a view of inputs that were augmented beforehand, [B, count, ...]: one of them each."""
    drawn = lambda key, n: jax.random.randint(key, (n,), 0, count)
    return drawn, lambda x, which: x[jnp.arange(len(x)), which].astype(dtype)


def _where(which: jax.Array, yes: jax.Array, no: jax.Array) -> jax.Array:
    return jnp.where(which[:, None, None, None], yes, no)
