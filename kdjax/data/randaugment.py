"""The strong view of multi-level logit distillation: crop and flip, two random operations an image, and a cutout.

Drawn an image, in the jitted step. Operations are those of `autoaugment`, magnitudes those of the release.
"""
from typing import NamedTuple

import jax
import jax.numpy as jnp

from kdjax.data import autoaugment, geometry, views

Array = jax.Array
COUNT = 2  # operations an image, chosen with replacement
CUT = 0.5  # largest side of the cutout, as a share of the image's
COLOUR = (125, 123, 114)  # of the cutout

_OF = autoaugment.OPERATIONS
OPERATIONS = {  # name: (function of images and magnitude, least and greatest magnitude, whether either sign)
    "Identity": (lambda x, m: x, 0, 0, False),
    "AutoContrast": (_OF["AutoContrast"], 0, 0, False),
    "Equalize": (_OF["Equalize"], 0, 0, False),
    "Brightness": (_OF["Brightness"], -0.95, -0.05, False),  # of a factor: 0.05 to 0.95 is 1 - 0.95 to 1 - 0.05
    "Color": (_OF["Color"], -0.95, -0.05, False),
    "Contrast": (_OF["Contrast"], -0.95, -0.05, False),
    "Sharpness": (_OF["Sharpness"], -0.95, -0.05, False),
    "Posterize": (lambda x, m: _OF["Posterize"](x, jnp.floor(m)), 4, 8, False),
    "Solarize": (_OF["Solarize"], 0, 256, False),
    "Rotate": (_OF["Rotate"], 0, 30, True),
    "ShearX": (lambda x, m: geometry.nearest(x, ((1, m), (0, 1))), 0, 0.3, True),
    "ShearY": (lambda x, m: geometry.nearest(x, ((1, 0), (m, 1))), 0, 0.3, True),
    "TranslateX": (_OF["TranslateX"], 0, 0.3, True),
    "TranslateY": (_OF["TranslateY"], 0, 0.3, True),
}


class Draws(NamedTuple):
    """For B images: a crop and flip; operations int [B, 2] and their magnitudes float [B, 2]; the cutout's side, and
    the place (down, right) that it is centred on, as shares of the image, [B] and [B, 2]."""

    view: views.Views
    operation: Array
    magnitude: Array
    side: Array
    place: Array


def draw(key: Array, n: int, *, crop: int = 4, flip: bool = True) -> Draws:
    """Independent draws for n images: operations and magnitudes uniform, sides uniform up to CUT."""
    view, which, size, sign, side, place = jax.random.split(key, 6)
    uniform = lambda key, *shape: jax.random.uniform(key, (n, *shape), jnp.float32)
    operation = jax.random.randint(which, (n, COUNT), 0, len(OPERATIONS), dtype=jnp.int32)
    low, high, signed = (jnp.asarray(column)[operation] for column in zip(*(row[1:] for row in OPERATIONS.values())))
    magnitude = low + (high - low) * uniform(size, COUNT)
    magnitude = jnp.where(signed & (uniform(sign, COUNT) < 0.5), -magnitude, magnitude).astype(jnp.float32)
    return Draws(views.draw(view, n, crop=crop, flip=flip), operation, magnitude, CUT * uniform(side),
                 uniform(place, 2))


def apply(images: Array, draws: Draws, *, crop: int = 4, padding: str = "zero") -> Array:
    """The strong view of uint8 images [B, H, W, 3], same shape and dtype. Shears are about the image's centre."""
    images = views.apply(images, draws.view, crop=crop, padding=padding)
    one = lambda images, drawn: (jax.vmap(_one)(images, *drawn), None)
    images, _ = jax.lax.scan(one, images, (draws.operation.T, draws.magnitude.T))  # rolled: compiled in half the time
    return cut(images, draws.side, draws.place)


def _one(image: Array, operation: Array, magnitude: Array) -> Array:
    return jax.lax.switch(operation, [row[0] for row in OPERATIONS.values()], image[None], magnitude)[0]


def cut(images: Array, side: Array, place: Array) -> Array:
    """A square of COLOUR in each image: its upper left corner side / 2 before `place` but inside, its edges truncated
    to whole pixels. side [B], place [B, 2]: shares of the image."""
    height, width = images.shape[1:3]
    sizes = jnp.asarray([height, width], jnp.float32)
    first = jnp.floor(jnp.maximum(0, (place - side[:, None] / 2) * sizes))
    last = jnp.minimum(sizes, first + side[:, None] * sizes)
    rows, columns = jnp.arange(height)[:, None], jnp.arange(width)
    inside = lambda at, axis: (at >= first[:, axis, None, None]) & (at < last[:, axis, None, None])
    hole = (inside(rows, 0) & inside(columns, 1))[..., None]
    return jnp.where(hole, jnp.asarray(COLOUR, images.dtype), images)


def strong(options, mean, std, dtype=jnp.float32):
    """(draw, apply) of the strong view, by config.data's crop, flip and padding, as `views.crop_flip`."""
    drawn = lambda key, n: draw(key, n, crop=options.crop, flip=options.flip)
    seen = lambda images, draws: apply(images, draws, crop=options.crop, padding=options.padding)
    return drawn, lambda images, draws: views.normalize(seen(images, draws), mean, std, dtype)
