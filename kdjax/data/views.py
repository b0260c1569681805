"""What training sees of an image: random crop and flip on the device, inside the jitted step, then normalising."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

PADDINGS = {"zero": "constant", "reflect": "reflect"}


class Views(NamedTuple):
    """One random view per image: crop offsets 0 .. 2 crop, int32 [B], and whether it is mirrored, bool [B]."""

    top: jax.Array
    left: jax.Array
    mirror: jax.Array


def augment(images: jax.Array, key: jax.Array, *, crop: int = 4, flip: bool = True, padding: str = "zero") -> jax.Array:
    """Random crop after padding `crop` pixels on every side, and horizontal flip with probability 1/2, drawn per image.

    images: uint8 [B, H, W, C]. Returns the same shape and dtype; every one of the (2 crop + 1)^2 * 2 views is equally
    likely. See `apply` for the paddings and what raises.
    """
    return apply(images, draw(key, len(images), crop=crop, flip=flip), crop=crop, padding=padding)


class Numbering(NamedTuple):
    """The views of an image, if they can be counted. name: what else decides how an image is seen. count: how many
    there are. number(draws) -> int32 [n] below count; draws(number) is its inverse."""

    name: str
    count: int
    number: Callable[[Any], jax.Array]
    draws: Callable[[jax.Array], Any]


def draw(key: jax.Array, n: int, *, crop: int = 4, flip: bool = True) -> Views:
    """Uniform views for n images, the same with and without x64."""
    return numbered(jax.random.randint(key, (n,), 0, how_many(crop, flip), dtype=jnp.int32), crop, flip)


def how_many(crop: int, flip: bool) -> int:
    """The number of views of an image."""
    return (2 * crop + 1) ** 2 * (2 if flip else 1)


def numbered(view: jax.Array, crop: int, flip: bool) -> Views:
    """The views of those numbers, int32 [n] below `how_many`."""
    side, ways = 2 * crop + 1, 2 if flip else 1
    place = view // ways
    return Views(place // side, place % side, view % ways == 1)


def number(views: Views, crop: int, flip: bool) -> jax.Array:
    """The inverse of `numbered`."""
    side, ways = 2 * crop + 1, 2 if flip else 1
    return (views.top * side + views.left) * ways + views.mirror


def apply(images: jax.Array, views: Views, *, crop: int = 4, padding: str = "zero") -> jax.Array:
    """The given views of uint8 images [B, H, W, C], same shape and dtype.

    padding "zero": raw black, before normalising, crop then flip (spec/protocols.md 1.1; RepDistiller). "reflect":
    mirrored without repeating the edge, flip then crop (the VID release, spec/vid_seed.md).
    Raises ValueError for another padding, or a reflection wider than the image.
    """
    if padding not in PADDINGS:
        raise ValueError(f"padding={padding!r}: use one of {', '.join(PADDINGS)}")
    if padding == "reflect" and crop >= min(images.shape[1:3]):
        raise ValueError(f"reflect padding of {crop} needs images larger than that, not {images.shape[1:3]}")
    padded = jnp.pad(images, ((0, 0), (crop, crop), (crop, crop), (0, 0)), mode=PADDINGS[padding])
    rows, columns = _window(images.shape, crop, views, flip_first=padding == "reflect")
    # One gather does crop and flip: measured on 2 CPU cores at [64, 32, 32, 3], 0.19 ms; vmapped dynamic_slice and a
    # select 0.21 ms; one-hot matmuls 0.53 ms; a sequential lax.map 0.67 ms.
    return padded[jnp.arange(len(images))[:, None, None], rows[:, :, None], columns[:, None, :]]


def normalize(images: jax.Array, mean, std, dtype=jnp.float32) -> jax.Array:
    """(images / 255 - mean) / std as `dtype`, computed in at least float32. images: uint8 [..., 3]; mean, std: [3].
    Floats are taken as they are: in 0 .. 1, or numbers of any kind with mean 0 and std 1."""
    compute = jnp.promote_types(dtype, jnp.float32)
    scaled = images.astype(compute) / (255 if images.dtype == jnp.uint8 else 1)
    return ((scaled - jnp.asarray(mean, compute)) / jnp.asarray(std, compute)).astype(dtype)


def crop_flip(options, mean, std, dtype=jnp.float32):
    """(draw, apply, numbering) of the family's training view, by config.data's crop, flip and padding: draw(key, n) ->
    Views; apply(uint8 images, Views) -> normalised images of `dtype`."""
    crop, flip, padding = options.crop, options.flip, options.padding
    drawn = lambda key, n: draw(key, n, crop=crop, flip=flip)
    seen = lambda images, views: normalize(apply(images, views, crop=crop, padding=padding), mean, std, dtype)
    name = f"crop {crop} {padding}, flip {flip}, mean {list(map(float, mean))}, std {list(map(float, std))}"
    count = Numbering(f"{name}, {jnp.dtype(dtype).name}", how_many(crop, flip), lambda views: number(views, crop, flip),
                      lambda numbers: numbered(numbers, crop, flip))
    return drawn, seen, count


def _window(shape, crop: int, views: Views, flip_first: bool):
    """The rows and columns of the padded image that each output pixel comes from: int32 [B, H] and [B, W]."""
    _, height, width, _ = shape
    down, across = (jnp.arange(size, dtype=jnp.int32) for size in (height, width))
    top, left, mirror = (view[:, None] for view in views)
    # Flipped first, column k of the mirrored padded image is column (width + 2 crop - 1 - k) of the padded one.
    mirrored = (width - 1 - across + left) if not flip_first else (width + 2 * crop - 1 - left - across)
    return top + down, jnp.where(mirror, mirrored, left + across)
