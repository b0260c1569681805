"""Adapters of all levels of a network at once: Overhaul's connectors and knowledge review's fusion chain."""
from collections.abc import Sequence as Many

import jax
import jax.numpy as jnp
from flax import nnx

from kdjax.methods.adapters.maps import Shape
from kdjax.models.layers import KAIMING_UNIFORM, TORCH, BatchNorm, Conv, Sequence
from kdjax.models.network import Functional


class OFDConnector(nnx.Module):
    """`connectors`: per level a bias-free 1x1 convolution, normal with variance 2 / C_t, and a batch norm."""

    def __init__(self, channels_s: Many[int], channels_t: Many[int], *, rngs: nnx.Rngs):
        self.connectors = Sequence(*(Sequence(Conv(s, t, 1, rngs=rngs), BatchNorm(t))
                                     for s, t in zip(channels_s, channels_t, strict=True)))

    def __call__(self, maps: Many[jax.Array]) -> tuple[jax.Array, ...]:
        return tuple(layer(x) for x, layer in zip(maps, self.connectors, strict=True))


class ABF(nnx.Module):
    """Attention-based fusion of one level with what comes from the deeper ones (none for the deepest)."""

    def __init__(self, inputs: int, middle: int, outputs: int, fuse: bool, *, rngs: nnx.Rngs):
        self.conv1 = Sequence(Conv(inputs, middle, 1, init=KAIMING_UNIFORM, rngs=rngs), BatchNorm(middle))
        self.conv2 = Sequence(Conv(middle, outputs, 3, init=KAIMING_UNIFORM, rngs=rngs), BatchNorm(outputs))
        self.att_conv = Sequence(Conv(2 * middle, 2, 1, bias=True, init=TORCH, rngs=rngs)) if fuse else None

    def __call__(self, x: jax.Array, deeper: jax.Array | None, size: int) -> tuple[jax.Array, jax.Array]:
        """(output, hidden), both `size` high."""
        x = self.conv1(x)
        if self.att_conv is not None:
            deeper = nearest(deeper, x.shape[1])
            share = jax.nn.sigmoid(self.att_conv(jnp.concatenate([x, deeper], axis=-1)))
            x = x * share[..., :1] + deeper * share[..., 1:]
        x = nearest(x, size)
        return self.conv2(x), x


class ReviewKDFusion(nnx.Module):
    """`abfs`: the modules from the deepest level to the shallowest."""

    def __init__(self, channels_s: Many[int], channels_t: Many[int], sizes_t: Many[int], *, rngs: nnx.Rngs):
        middle = min(512, channels_s[-1])
        levels = list(zip(channels_s, channels_t, strict=True))
        self.abfs = Sequence(*(ABF(s, middle, t, i > 0, rngs=rngs) for i, (s, t) in enumerate(reversed(levels))))
        self.sizes = tuple(sizes_t)

    def __call__(self, maps: Many[jax.Array]) -> tuple[jax.Array, ...]:
        hidden, outs = None, []
        for module, x, size in zip(self.abfs, reversed(maps), reversed(self.sizes), strict=True):
            out, hidden = module(x, hidden, size)
            outs.append(out)
        return tuple(reversed(outs))


def nearest(x: jax.Array, size: int) -> jax.Array:
    """[B, h, h, C] -> [B, size, size, C]: row i is row floor(i h / size), torch's "nearest" (not half-pixel)."""
    if x.shape[1] == size:
        return x
    rows = jnp.arange(size) * x.shape[1] // size
    return x[:, rows][:, :, rows]


def ofd_connector(channels_s: Many[int], channels_t: Many[int]) -> Functional:
    """Overhaul's connectors (ICCV 2019): a tuple of student maps -> maps of the teacher's channels, level by level."""
    return Functional(lambda rngs: OFDConnector(tuple(channels_s), tuple(channels_t), rngs=rngs))


def reviewkd_fusion(shapes_s: Many[Shape], shapes_t: Many[Shape]) -> Functional:
    """Knowledge review's chain (CVPR 2021): a tuple of student maps, shallow to deep -> maps of the teacher's shapes.

    Each level goes through a 1x1 convolution to min(512, C_s of the deepest) channels, is mixed with the deeper levels'
    result by learned attention, resized to the teacher's size and carried to its channels by a 3x3 convolution. A
    pooled vector is a level of shape (1, 1, D).
    """
    c_s, c_t = ([shape[2] for shape in shapes] for shapes in (shapes_s, shapes_t))
    return Functional(lambda rngs: ReviewKDFusion(c_s, c_t, [shape[0] for shape in shapes_t], rngs=rngs))
