"""The mixing modes by name: what each draws for a batch, and the images x' that it makes of x (DS-SRD, Good-DA-in-KD).

Every quantity is drawn once for the batch, as in the releases, or with `sample` once for every image (partners always
come from one permutation of the batch). The release's 8-bit round trip is left out, but for AutoAugment, which works
on 8 bits.
"""
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from kdjax.data import autoaugment, mixing

Array = jax.Array
Draws = dict[str, Array]


class Look(NamedTuple):
    """What the modes must know of the data: its statistics [C], the side of a cutout, and AutoAugment's policy."""

    mean: tuple
    std: tuple
    cutout_side: int
    policy: str


class Ask(NamedTuple):
    """What is drawn for: n images of height x width; sample: one draw an image; lam's range (cutmix, patchmix);
    corners: cutmix's box lies between two random corners, whatever lam."""

    n: int
    height: int
    width: int
    sample: bool = False
    floor: Array | float = 0.0
    ceiling: Array | float = 1.0
    corners: bool = False

    @property
    def shape(self) -> tuple:
        return (self.n,) if self.sample else ()


class Mode(NamedTuple):
    """draw(key, Ask) -> draws; apply(x, draws, Look) -> x'; kept(draws, height, width) -> the share of x in x', for the
    modes that mix labels too; deranged: no image may be its own partner."""

    draw: Callable[[Array, Ask], Draws]
    apply: Callable[[Array, Draws, Look], Array]
    kept: Callable | None = None
    deranged: bool = False


def derangement(key: Array, n: int) -> Array:
    """A uniform permutation [n] without fixed points, redrawn until it has none. Raises ValueError for n = 1."""
    if n < 2:
        raise ValueError("a batch of one image has no partners to mix it with")
    deranged = lambda now: mixing.is_derangement(now[1])
    again = lambda now: (now[0] + 1, jax.random.permutation(jax.random.fold_in(key, now[0]), n))
    return jax.lax.while_loop(lambda now: ~deranged(now), again, again((0, None)))[1]


def uint8(x: Array, look: Look) -> Array:
    """Normalised images as 8-bit ones, rounded."""
    return jnp.clip(jnp.round((x * jnp.asarray(look.std) + jnp.asarray(look.mean)) * 255), 0, 255).astype(jnp.uint8)


def default_cutout(dataset: str, height: int) -> int:
    """The side of the hole: a quarter of the image (8, 16 and 56 pixels in the releases), but 16 for CIFAR-10."""
    return 16 if dataset == "cifar10" else height // 4


def _no_draws(key, ask):
    return {}


def _flip_draw(key, ask):
    return {"coin": jax.random.bernoulli(key, 0.5, ask.shape)}


def _crop_draw(key, ask):
    return {"offset": jax.random.randint(key, (*ask.shape, 2), 0, 2 * _pad(ask.height) + 1, dtype=jnp.int32)}


def _crop_flip_draw(key, ask):
    one, other = jax.random.split(key)
    return _crop_draw(one, ask) | _flip_draw(other, ask)


def _center(key, ask):
    return jax.random.randint(key, (*ask.shape, 2), 0, jnp.asarray([ask.height, ask.width]), dtype=jnp.int32)


def _mixup_draw(key, ask):
    one, other = jax.random.split(key)
    return {"lam": jax.random.uniform(one, ask.shape, jnp.float32), "perm": jax.random.permutation(other, ask.n)}


def _manifold_draw(key, ask):
    """lam of Beta(2, 2), which is the median of three uniform numbers; the depth at which hidden maps are mixed."""
    one, two, three = jax.random.split(key, 3)
    lam = jnp.median(jax.random.uniform(one, (*ask.shape, 3), jnp.float32), axis=-1)
    return {"lam": lam, "perm": jax.random.permutation(two, ask.n), "depth": jax.random.randint(three, (), 0, 3)}


def _partners(key, ask):
    one, two = jax.random.split(key)
    beta = jax.random.uniform(one, ask.shape, jnp.float32)
    return {"lam": ask.floor + (ask.ceiling - ask.floor) * beta, "perm": derangement(two, ask.n)}


def _cutmix_draw(key, ask):
    one, two = jax.random.split(key)
    return _partners(one, ask) | ({"box": _corners(two, ask)} if ask.corners else {"center": _center(two, ask)})


def _corners(key, ask):
    """Boxes [..., 4] between two uniform corners."""
    ends = jax.random.randint(key, (*ask.shape, 2, 2), 0, jnp.asarray([ask.height, ask.width]) + 1, dtype=jnp.int32)
    return jnp.concatenate([ends.min(-2), ends.max(-2)], axis=-1)


def _patchmix_draw(key, ask):
    one, two = jax.random.split(key)
    cells = (ask.height // mixing.CELL) * (ask.width // mixing.CELL)
    order = jnp.argsort(jax.random.uniform(two, (*ask.shape, cells), jnp.float32), axis=-1).astype(jnp.int32)
    return _partners(one, ask) | {"order": order}


def _pad(height: int) -> int:
    """4, 8 and 28 pixels for images of 32, 64 and 224."""
    return height // 8


def _flip(x, draws, look):
    return jnp.where(draws["coin"].reshape(-1, 1, 1, 1), mixing.flip(x), x)


def _crop(x, draws, look):
    black = -jnp.asarray(look.mean) / jnp.asarray(look.std)
    return mixing.crop(x, draws["offset"][..., 0], draws["offset"][..., 1], pad=_pad(x.shape[1]), fill=black)


def _cutout(x, draws, look):
    return mixing.cutout(x, mixing.cutout_box(draws["center"], x.shape[1], x.shape[2], look.cutout_side))


def _autoaugment(x, draws, look):
    images, args = uint8(x, look), (draws["index"], draws["draws"], draws["signs"])
    if jnp.ndim(draws["index"]):
        one = lambda image, *args: autoaugment.apply(image[None], look.policy, *args)[0]
        images = jax.vmap(one)(images, *args)
    else:
        images = autoaugment.apply(images, look.policy, *args)
    return ((images / 255 - jnp.asarray(look.mean)) / jnp.asarray(look.std)).astype(x.dtype)


def box(draws: Draws, height: int, width: int) -> Array:
    """CutMix's box of its draws."""
    return draws["box"] if "box" in draws else mixing.cutmix_box(draws["lam"], draws["center"], height, width)


def _patchmix(x, draws, look):
    cells = draws["order"].shape[-1]
    taken = jnp.arange(cells) < jnp.floor(cells * draws["lam"])[..., None]
    return mixing.patchmix(x, draws["perm"], jnp.where(taken, draws["order"], cells))


def draw_damage(key: Array, ask: Ask, how: str, cells: int) -> Draws:
    """What `damaged` needs: a hole's centre, or the order of the cells."""
    if how == "cutout":
        return {"center": _center(key, ask)}
    return {"order": jnp.argsort(jax.random.uniform(key, (*ask.shape, cells * cells), jnp.float32), axis=-1)}


def damaged(x: Array, draws: Draws, how: str, side: int, cells: int, share: float) -> Array:
    """x as a student alone sees it: with a hole ("cutout"), or with a share of the cells of a grid 0 ("masking")."""
    if how == "cutout":
        return mixing.cutout(x, mixing.cutout_box(draws["center"], x.shape[1], x.shape[2], side))
    order = draws["order"]
    kept = order >= int(share * cells * cells)
    return mixing.masking(x, kept.reshape(*order.shape[:-1], cells, cells))


MODES = {
    "identity": Mode(_no_draws, lambda x, draws, look: x),
    "flip": Mode(_flip_draw, _flip),
    "crop": Mode(_crop_draw, _crop),
    "crop+flip": Mode(_crop_flip_draw, lambda x, draws, look: _flip(_crop(x, draws, look), draws, look)),
    "cutout": Mode(lambda key, ask: {"center": _center(key, ask)}, _cutout),
    "autoaugment": Mode(lambda key, ask: autoaugment.draw(key, ask.shape), _autoaugment),
    "mixup": Mode(_mixup_draw, lambda x, draws, look: mixing.mixup(x, draws["perm"], draws["lam"]),
                  lambda draws, height, width: draws["lam"]),
    "manifold_mixup": Mode(_manifold_draw, lambda x, draws, look: mixing.mixup(x, draws["perm"], draws["lam"]),
                           lambda draws, height, width: draws["lam"]),
    "cutmix": Mode(_cutmix_draw, lambda x, d, look: mixing.cutmix(x, d["perm"], box(d, x.shape[1], x.shape[2])),
                   lambda draws, height, width: mixing.kept_area(box(draws, height, width), height, width), True),
    "patchmix": Mode(_patchmix_draw, _patchmix, deranged=True),
    "same": Mode(_no_draws, lambda x, draws, look: mixing.same(x)),
}
