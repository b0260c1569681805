"""Mixed and damaged images as pure functions of images and draws (DS-SRD, Good-DA-in-KD). Who draws what: `mixes.py`.

Images are NHWC floats in the network's (normalised) space. A draw is one for the batch, as in the releases, or one an
image: every lam, offset, box or set of cells may carry a leading axis [B]. Boxes are (row0, col0, row1, col1), half
open; centres are (row, column). `perm` [B] names each image's partner.
"""
import jax
import jax.numpy as jnp

Array = jax.Array
CELL = 4  # pixels a side of a patchmix cell


def flip(x: Array) -> Array:
    """The images mirrored left to right."""
    return x[:, :, ::-1]


def crop(x: Array, top, left, *, pad: int, fill) -> Array:
    """A window of the images' own size, (top, left) pixels into the image padded by `pad` on every side.

    top, left: 0 .. 2 pad, [] or [B]. fill: the pad's colour, a number or [C]; black is -mean/std in normalised space.
    """
    n, height, width, _ = x.shape
    rows = jnp.reshape(jnp.asarray(top) - pad, (-1, 1)) + jnp.arange(height)
    columns = jnp.reshape(jnp.asarray(left) - pad, (-1, 1)) + jnp.arange(width)
    inside = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None, :]
    rows, columns = jnp.clip(rows, 0, height - 1), jnp.clip(columns, 0, width - 1)
    moved = x[jnp.arange(n)[:, None, None], rows[:, :, None], columns[:, None, :]]
    return jnp.where(inside[..., None], moved, jnp.asarray(fill, x.dtype))


def cutout_box(center: Array, height: int, width: int, side: int) -> Array:
    """The square of `side` pixels around center [..., 2], clipped at the border: int32 [..., 4]."""
    return _box(center, side // 2, side // 2, height, width)


def cutout(x: Array, box: Array) -> Array:
    """The images with 0 (the mean colour) inside the box [4] or [B, 4] (DeVries, Taylor 2017)."""
    return jnp.where(_inside(box, x), 0.0, x).astype(x.dtype)


def mixup(x: Array, perm: Array, lam) -> Array:
    """lam x + (1 - lam) x[perm] (Zhang et al. 2018), for images, hidden maps, one-hot labels or logits [B, ...]."""
    lam = jnp.asarray(lam, x.dtype)
    lam = lam.reshape(lam.shape + (1,) * (x.ndim - 1)) if lam.ndim else lam
    return lam * x + (1 - lam) * x[perm]


def cutmix_box(lam, center: Array, height: int, width: int) -> Array:
    """CutMix's box (Yun et al. 2019) of about a share 1 - lam of the image: int32 [..., 4].

    Sides are floor(size * sqrt(1 - lam)), of which half (rounded down) lies on each side of the centre pixel, so that
    they are even: sides 0 and 1 give an empty box. Clipped at the border.
    """
    share = jnp.sqrt(1 - jnp.asarray(lam))
    half_height, half_width = (jnp.floor(size * share).astype(jnp.int32) // 2 for size in (height, width))
    return _box(center, half_height, half_width, height, width)


def kept_area(box: Array, height: int, width: int) -> Array:
    """The share of the image outside the box [..., 4]: the lam that CutMix's targets are mixed with."""
    row0, col0, row1, col1 = jnp.moveaxis(jnp.asarray(box), -1, 0)
    return 1 - (row1 - row0) * (col1 - col0) / (height * width)


def cutmix(x: Array, perm: Array, box: Array) -> Array:
    """x outside the box [4] or [B, 4], x[perm] inside."""
    return jnp.where(_inside(box, x), x[perm], x)


def patchmix(x: Array, perm: Array, cells: Array) -> Array:
    """x with cells of 4 x 4 pixels taken from x[perm].

    cells: row-major numbers [n] or [B, n]; numbers beyond the grid are ignored, so that n may be static.
    """
    rows, columns = x.shape[1] // CELL, x.shape[2] // CELL
    cells = jnp.asarray(cells)
    taken = jnp.zeros((*cells.shape[:-1], rows * columns), bool)
    taken = jnp.put_along_axis(taken, cells, True, axis=-1, inplace=False, mode="drop")
    return jnp.where(_pixels(taken.reshape(*cells.shape[:-1], rows, columns), x), x[perm], x)


def masking(x: Array, kept: Array) -> Array:
    """x with 0 in the cells of a grid that are not kept; kept: bool [rows, columns] or [B, rows, columns]."""
    return jnp.where(_pixels(jnp.asarray(kept), x), x, 0.0).astype(x.dtype)


def same(x: Array) -> Array:
    """Every image replaced by the batch's first."""
    return jnp.broadcast_to(x[:1], x.shape)


def is_derangement(perm: Array) -> Array:
    """Whether no image is its own partner."""
    perm = jnp.asarray(perm)
    return jnp.all(perm != jnp.arange(len(perm)))


def _box(center, half_height, half_width, height: int, width: int) -> Array:
    row, column = jnp.moveaxis(jnp.asarray(center), -1, 0)
    return jnp.stack([jnp.clip(row - half_height, 0, height), jnp.clip(column - half_width, 0, width),
                      jnp.clip(row + half_height, 0, height), jnp.clip(column + half_width, 0, width)],
                     axis=-1).astype(jnp.int32)


def _inside(box: Array, x: Array) -> Array:
    """bool [1 or B, H, W, 1]: the pixels inside the box."""
    row0, col0, row1, col1 = (side[:, None] for side in jnp.reshape(jnp.asarray(box), (-1, 4)).T)
    rows, columns = jnp.arange(x.shape[1]), jnp.arange(x.shape[2])
    down, across = (rows >= row0) & (rows < row1), (columns >= col0) & (columns < col1)
    return (down[:, :, None] & across[:, None, :])[..., None]


def _pixels(cells: Array, x: Array) -> Array:
    """A grid [(B,) rows, columns] of flags as flags [1 or B, H, W, 1] of the pixels of equal cells."""
    cells = cells.reshape(-1, *cells.shape[-2:])
    tall, wide = x.shape[1] // cells.shape[1], x.shape[2] // cells.shape[2]
    return jnp.repeat(jnp.repeat(cells, tall, axis=1), wide, axis=2)[..., None]
