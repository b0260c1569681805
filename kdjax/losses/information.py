"""Knowledge measured by information: densities, entropies and their bounds."""
import jax
import jax.numpy as jnp

from kdjax.losses.ops import Array, einsum, flatten, l2_normalize, promote, safe_sqrt, shrink_to
from kdjax.losses.shapes import alike, same_batch, same_channels, same_shape


def vid(pred_mean: Array, log_scale: Array, f_t: Array, *, eps: float = 1e-5) -> Array:
    """Variational information distillation (Ahn et al., CVPR 2019): Gaussian negative log likelihood of the teacher.

    pred_mean [B, h, h, C]: the regressed student map; log_scale [C], variance softplus(log_scale) + eps; f_t [B, H,
    H, C], pooled to h if larger. Raises ValueError if shapes then differ (pool the student before its regressor).
    Returns the scalar mean of ((mean - f_t)^2 / var + log var) / 2, without the 2 pi; it may be negative.
    """
    pred_mean, log_scale, f_t = promote(pred_mean, log_scale, f_t)
    f_t = shrink_to(f_t, pred_mean)
    same_shape("vid", pred_mean, f_t)
    same_channels("vid", log_scale, f_t)
    variance = jax.nn.softplus(log_scale) + eps
    return jnp.mean(0.5 * ((pred_mean - f_t) ** 2 / variance + jnp.log(variance)))


def pkt(f_s: Array, f_t: Array, *, eps: float = 1e-7) -> Array:
    """Probabilistic knowledge transfer (Passalis & Tefas, ECCV 2018): KL of the cosine affinities between samples.

    f_s [B, Ds], f_t [B, Dt]. Returns the scalar mean over B^2 (diagonal included) of t log((t + eps) / (s + eps)),
    where rows of s and t are (cosine + 1) / 2 over their sum: a small number, hence the weight 30000. A zero row gets
    gradient 0.
    """
    s, t = (_affinities(x, eps) for x in map(flatten, promote(f_s, f_t)))
    same_batch("pkt", s, t)
    return jnp.mean(t * jnp.log((t + eps) / (s + eps)))


def _affinities(x: Array, eps: float) -> Array:
    norm = safe_sqrt(jnp.sum(x * x, axis=1, keepdims=True))
    unit = jnp.where(norm > 0, x / jnp.where(norm > 0, norm + eps, 1.0), 0.0)
    affinity = (einsum("id,jd->ij", unit, unit) + 1) / 2
    return affinity / jnp.sum(affinity, axis=1, keepdims=True)


def itrd_correlation(z_s: Array, z_t: Array, *, alpha: float = 1.5) -> Array:
    """ITRD's correlation loss (Miles et al., BMVC 2022): log2 sum_j ((c_j - 1)^2)^alpha, c_j a feature's correlation.

    z_s (embedded student), z_t: [B, D], equal shapes, else ValueError. Returns a scalar of either sign. As released c_j
    divides by n what was standardised with n - 1, so c_j <= (n - 1) / n. A constant column has c_j = 0 (torch: NaN).
    """
    z_s, z_t = alike("itrd_correlation", z_s, z_t)
    correlation = jnp.mean(_standardize(z_s) * _standardize(z_t), axis=0)
    return jnp.log2(jnp.sum(((correlation - 1) ** 2) ** alpha))


def _standardize(z: Array) -> Array:
    """Columns with mean 0 and unbiased standard deviation 1; constant columns become 0."""
    z = z - jnp.mean(z, axis=0)
    std = safe_sqrt(jnp.sum(z * z, axis=0) / max(len(z) - 1, 1))
    return jnp.where(std > 0, z / jnp.where(std > 0, std, 1.0), 0.0)


def itrd_mutual(z_s: Array, z_t: Array) -> Array:
    """ITRD's mutual information loss (Miles et al., BMVC 2022), Renyi's of order 2, from Gram matrices of the batch.

    z_s [B, Ds], z_t [B, Dt], rows normalised here. With G_s, G_t their Gram matrices and G = G_s * G_t, both G_s and G
    divided by their traces, returns the scalar sum(G_s^2) - sum(G^2). The paper's logarithms are not in the code.
    """
    z_s, z_t = map(l2_normalize, map(flatten, promote(z_s, z_t)))
    same_batch("itrd_mutual", z_s, z_t)
    gram_s, gram_t = (einsum("id,jd->ij", z, z) for z in (z_s, z_t))
    return _information_potential(gram_s) - _information_potential(gram_s * gram_t)


def _information_potential(gram: Array) -> Array:
    """Sum of the squares of a Gram matrix with unit trace; 0 for a zero matrix."""
    return jnp.sum((gram / jnp.maximum(jnp.trace(gram), 1e-12)) ** 2)
