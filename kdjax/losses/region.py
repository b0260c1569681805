"""Knowledge in regions: logits of the cells of a map, at several scales."""
from collections.abc import Sequence

import jax
import jax.numpy as jnp

from kdjax.losses.ops import Array, adaptive_avg_pool, positions
from kdjax.losses.response import dkd_rows, kl_rows
from kdjax.losses.shapes import alike, is_label


def multi_scale_pool(f: Array, *, scales: Sequence[int] = (1, 2, 4)) -> Array:
    """SDD's regions (Wei et al., CVPR 2024): [B, H, W, C] -> [B, N, C], N = sum of k^2, coarse first, row by row.

    The map is pooled to 4x4 first, whatever the scales (adaptively: a small map is enlarged), and all from that:
    where windows overlap, 1x1 is not the plain mean. Give the cells to a network's own classifier.
    """
    finest = adaptive_avg_pool(f, max(4, *scales))
    return jnp.concatenate([positions(adaptive_avg_pool(finest, k)) for k in scales], axis=1)


def sdd_kd(regions_s: Array, regions_t: Array, labels: Array, *, temperature: float = 4.0) -> Array:
    """Scale-decoupled distillation (Wei et al., CVPR 2024): the weighted mean of T^2 KL over all regions.

    regions_s, regions_t: region logits [B, N, C], region 0 the whole map, equal shapes (else ValueError); labels: int
    [B]. Returns the scalar sum of w T^2 KL / (N B). w is 1 where the teacher is right about the region exactly if it is
    right about the whole, else 2: complementary and contradicting regions count twice.
    """
    regions_s, regions_t, weights, _ = _regions("sdd_kd", regions_s, regions_t, labels)
    log_s, log_t = (jax.nn.log_softmax(x / temperature) for x in (regions_s, regions_t))
    return jnp.mean(weights * kl_rows(log_s, log_t)) * temperature**2


def sdd_dkd(regions_s: Array, regions_t: Array, labels: Array, *, alpha: float = 1.0, beta: float = 8.0,
            temperature: float = 4.0) -> Array:
    """`sdd_kd` with decoupled distillation (`dkd`, whose hyper-parameters these are) in the place of KL."""
    regions_s, regions_t, weights, target = _regions("sdd_dkd", regions_s, regions_t, labels)
    return jnp.mean(weights * dkd_rows(regions_s, regions_t, target, alpha, beta, temperature))


def _regions(loss: str, regions_s: Array, regions_t: Array, labels: Array) -> tuple[Array, Array, Array, Array]:
    """Both promoted, the weights [B, N] of the regions, and where the labels are, [B, 1, C]."""
    regions_s, regions_t = alike(loss, regions_s, regions_t)
    target = is_label(labels, regions_s[:, 0])[:, None]
    right = jnp.argmax(regions_t, axis=-1) == jnp.asarray(labels)[:, None]
    weights = jnp.where(right == right[:, :1], 1.0, 2.0).astype(regions_s.dtype)
    return regions_s, regions_t, weights, target
