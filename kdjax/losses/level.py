"""Knowledge in the maps of several levels of a network, with margins, at several scales, or class by class."""
from collections.abc import Sequence

import jax.numpy as jnp
from jax.scipy.stats import norm

from kdjax.losses.ops import (
    Array,
    adaptive_avg_pool,
    l2_normalize,
    mean_squared_error,
    promote,
)
from kdjax.losses.shapes import alike, same_channels, same_shape


def ofd_margin(weight: Array, bias: Array) -> Array:
    """Overhaul's margins [C] (Heo et al., ICCV 2019), from scale and bias [C] of the batch norm before a ReLU.

    The mean of the negative half of a normal distribution with mean `bias` and standard deviation |weight|; where less
    than a thousandth is negative, -3 |weight|. Never positive. A weight of 0 counts as 1e-12 (the release divides by
    it). The release rounds to float32.
    """
    weight, bias = promote(weight, bias)
    s = jnp.maximum(jnp.abs(weight), 1e-12)
    below = norm.cdf(-bias / s)
    usable = below > 0.001
    return jnp.where(usable, bias - s * norm.pdf(bias / s) / jnp.where(usable, below, 1.0), -3 * s)


def ofd(g_s: Sequence[Array], g_t: Sequence[Array], margins: Sequence[Array]) -> Array:
    """A comprehensive overhaul of feature distillation (Heo et al., ICCV 2019): a partial L2 on pre-activations.

    g_s: connected student maps [B, h, h, C]; g_t: teacher pre-activations [B, H, H, C], pooled (or enlarged) to h;
    margins: [C] each (`ofd_margin`); L of each, stage by stage. With t' = max(t, margin), a stage is the batch mean of
    the sum of (s - t')^2 where s > t' or t > 0: a negative teacher response must only be undershot. Returns the scalar
    sum_i stage_i / 2^(L - 1 - i), to be weighed by 1e-3.
    """
    total = 0.0
    for i, (s, t, margin) in enumerate(zip(g_s, g_t, margins, strict=True)):
        s, t, margin = promote(s, t, margin)
        same_channels("ofd", s, t)
        same_channels("ofd (margins)", s, margin)
        t = adaptive_avg_pool(t, s.shape[1:3])
        same_shape("ofd", s, t)
        t = jnp.maximum(t, margin)
        stage = jnp.sum(jnp.where((s > t) | (t > 0), (s - t) ** 2, 0.0)) / s.shape[0]
        total += stage / 2.0 ** (len(g_s) - 1 - i)
    return total


def reviewkd(g_s: Sequence[Array], g_t: Sequence[Array]) -> Array:
    """Knowledge review's hierarchical context loss (Chen et al., CVPR 2021), summed over levels.

    g_s: student maps after the fusion chain, g_t: teacher maps, [B, h, h, C], level by level of equal shapes (else
    ValueError). A level is the weighted mean of the mean squared errors at full size (weight 1) and pooled to 4, 2
    and 1 where those are smaller than h (each half the weight before). Returns a scalar >= 0.
    """
    return sum((_pyramid(*alike("reviewkd", s, t)) for s, t in zip(g_s, g_t, strict=True)), 0.0)


def _pyramid(s: Array, t: Array) -> Array:
    """One level of `reviewkd`."""
    total, weight, weights = mean_squared_error(s, t), 1.0, 1.0
    for size in (4, 2, 1):
        if size < s.shape[1]:
            weight /= 2
            total += weight * mean_squared_error(adaptive_avg_pool(s, size), adaptive_avg_pool(t, size))
            weights += weight
    return total / weights


def cat_kd(cam_s: Array, cam_t: Array, *, resolution: int = 2, normalize: bool = True) -> Array:
    """Class attention transfer (Guo et al., CVPR 2023): mean squared error of pooled class activation maps.

    cam_s [B, h, h, C], cam_t [B, H, H, C], C the classes (else ValueError): both pooled (or enlarged) to `resolution`
    squared. normalize: each class's map to unit length over its positions, a zero map staying zero. Returns a scalar.
    """
    cam_s, cam_t = (adaptive_avg_pool(x, resolution) for x in promote(cam_s, cam_t))
    same_shape("cat_kd", cam_s, cam_t)
    if normalize:
        cam_s, cam_t = (l2_normalize(x, axis=(1, 2)) for x in (cam_s, cam_t))
    return mean_squared_error(cam_s, cam_t)
