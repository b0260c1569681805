"""Knowledge in relations: between samples, between channels, between layers."""
from collections.abc import Sequence
from itertools import pairwise

import jax
import jax.numpy as jnp

from kdjax.losses.ops import (
    Array,
    absolute,
    einsum,
    flatten,
    in_turn,
    l2_normalize,
    match_size,
    mean_squared_error,
    positions,
    promote,
    right_singular_vectors,
    safe_sqrt,
    smooth_l1,
)
from kdjax.losses.shapes import alike, same_batch, same_channels


def similarity(f_s: Array, f_t: Array) -> Array:
    """Similarity-preserving loss (Tung & Mori, ICCV 2019).

    f_s [B, ...], f_t [B, ...]: any trailing shapes. Returns a scalar >= 0: the squared difference of the
    row-normalised Gram matrices of the samples, summed, over B^2. An all-zero student sample has a finite but huge
    gradient, as in torch.
    """
    gram_s, gram_t = (l2_normalize(einsum("id,jd->ij", x, x)) for x in map(flatten, promote(f_s, f_t)))
    same_batch("similarity", f_s, f_t)
    return mean_squared_error(gram_s, gram_t)


def correlation_congruence(e_s: Array, e_t: Array) -> Array:
    """Correlation congruence (Peng et al., ICCV 2019) as released: neighbours in the batch share their errors.

    e_s, e_t: embeddings [B, D] (both trained, both get gradients), equal shapes, else ValueError. With d = |e_s -
    e_t| returns the scalar sum_{b,c} d[b, c] d[b + 1, c] / (B - 1) >= 0, so it depends on the order of the batch; 0
    when B = 1 (torch: NaN). The paper matches kernel correlation matrices instead.
    """
    e_s, e_t = alike("correlation_congruence", e_s, e_t)
    d = absolute(e_s - e_t)
    return jnp.sum(d[:-1] * d[1:]) / max(len(d) - 1, 1)


def rkd(f_s: Array, f_t: Array, *, distance_weight: float = 25.0, angle_weight: float = 50.0) -> Array:
    """Relational knowledge distillation (Park et al., CVPR 2019): pairwise distances and angles of triples.

    f_s [B, ...], f_t [B, ...], flattened to vectors; widths may differ. Returns the scalar distance_weight * mean
    smoothL1(distances) + angle_weight * mean smoothL1(angles) >= 0, means over B^2 and B^3 entries; distances are
    divided by their mean. The teacher's side is detached. Memory: B^2 D + B^3.
    """
    f_s, f_t = map(flatten, promote(f_s, f_t))
    same_batch("rkd", f_s, f_t)
    f_t = jax.lax.stop_gradient(f_t)
    distance = jnp.mean(smooth_l1(_relative_distances(f_s), _relative_distances(f_t)))
    angle = jnp.mean(smooth_l1(_angles(f_s), _angles(f_t)))
    return distance_weight * distance + angle_weight * angle


def _relative_distances(x: Array) -> Array:
    """[B, B] Euclidean distances over their off-diagonal mean; duplicates sit at the clamp and get no gradient."""
    n = len(x)
    gram = einsum("id,jd->ij", x, x)
    norms = jnp.diagonal(gram)
    square = norms[:, None] + norms[None, :] - 2 * gram
    distance = jnp.sqrt(jnp.where(square >= 1e-12, square, 1e-12)) * (1 - jnp.eye(n, dtype=x.dtype))
    mean = jnp.sum(distance) / max(n * (n - 1), 1)
    return distance / mean if n > 1 else distance


def _angles(x: Array) -> Array:
    """[B, B, B]: cosine at i between the directions to j and to k; 0 where either coincides with i."""
    directions = l2_normalize(x[None, :, :] - x[:, None, :])
    return einsum("ijd,ikd->ijk", directions, directions)


def ega(e_s: Array, e_t: Array, *, node_weight: float = 1.0, edge_weight: float = 0.3) -> Array:
    """Embedding graph alignment (Ma et al., BMVC 2022): ||C_ts - I||_F * node_weight + ||C_tt - C_ss||_F * edge_weight.

    e_s, e_t: embeddings [B, D] of equal width (else ValueError); C = Pearson correlations between samples. Returns a
    scalar >= 0 (norms, not squares; gradient 0 where a norm is 0). A constant row correlates with nothing (torch:
    NaN).
    """
    e_s, e_t = alike("ega", e_s, e_t)
    s, t = (l2_normalize(x - jnp.mean(x, axis=1, keepdims=True)) for x in (e_s, e_t))
    c_ts, c_tt, c_ss = (einsum("id,jd->ij", x, y) for x, y in ((t, s), (t, t), (s, s)))
    node, edge = c_ts - jnp.eye(len(s), dtype=s.dtype), c_tt - c_ss
    return node_weight * safe_sqrt(jnp.sum(node * node)) + edge_weight * safe_sqrt(jnp.sum(edge * edge))


def ickd(f_s: Array, f_t: Array) -> Array:
    """Inter-channel correlation (Liu et al., ICCV 2021, ICKD-C): row-normalised channel Gram matrices of each sample.

    f_s [B, H, W, C]: the embedded student map, f_t [B, h, w, C]: the map the teacher pools; channels must agree (else
    ValueError), sizes need not. Returns the scalar sum (G_s - G_t)^2 / (C B) >= 0, as released; a mean would take C^2.
    """
    f_s, f_t = promote(f_s, f_t)
    same_channels("ickd", f_s, f_t)
    same_batch("ickd", f_s, f_t)
    gram_s, gram_t = (l2_normalize(einsum("bpi,bpj->bij", x, x)) for x in map(positions, (f_s, f_t)))
    return jnp.sum((gram_s - gram_t) ** 2) / (f_t.shape[0] * f_t.shape[-1])


def fsp(g_s: Sequence[Array], g_t: Sequence[Array]) -> Array:
    """Flow of the solution procedure (Yim et al., CVPR 2017): inner products of consecutive maps of one network.

    g_s, g_t: equally many maps, stage by stage of equal channels (else ValueError); sizes may differ. Returns the
    scalar sum over consecutive pairs of the mean squared difference of the FSP matrices. The paper pairs layers
    within a section; the released code consecutive stages, and uses it in pre-training only.
    """
    g_s, g_t = promote(*g_s), promote(*g_t)
    for s, t in zip(g_s, g_t, strict=True):
        same_channels("fsp", s, t)
    same_batch("fsp", *g_s, *g_t)
    terms = map(mean_squared_error, map(_fsp_matrix, g_s, g_s[1:]), map(_fsp_matrix, g_t, g_t[1:]))
    return sum(terms, jnp.zeros((), g_s[0].dtype))


def _fsp_matrix(bottom: Array, top: Array) -> Array:
    """[B, C_bottom, C_top]: the mean over positions of the products of channels."""
    bottom, top = map(positions, match_size(bottom, top))
    return einsum("bpi,bpj->bij", bottom, top) / bottom.shape[1]


def kdsvd(g_s: Sequence[Array], g_t: Sequence[Array], *, k: int = 1, v_t: Sequence[Array] | None = None) -> Array:
    """KD-SVD (Lee, Kim, Song, ECCV 2018): radial relations of the leading singular vectors of consecutive stages.

    g_s, g_t: equally many maps, stage by stage of equal channels (else ValueError). v_t: optional teacher right
    singular vectors [B, C, k] per stage, used with the sign given: LAPACK's choice of sign changes the value when v_t
    is None. Returns the scalar sum_{i >= 1} sum (R_s - R_t)^2 / B, R = exp(-(V_i[c, j] - V_{i-1}[c', j])^2 / 8); the
    teacher is detached. Gradients are finite where singular values coincide (torch: NaN).
    """
    stages = []
    for s, t, v in zip(g_s, g_t, [None] * len(g_t) if v_t is None else v_t, strict=True):
        stages.append(_stage_vectors(s, in_turn(t, stages[-1][0]) if stages else t, v, k))
    total = jnp.zeros((), stages[0][0].dtype)
    for (last_s, last_t), (s, t) in pairwise(stages):
        difference = _radial(s, last_s) - jax.lax.stop_gradient(_radial(t, last_t))
        total += jnp.sum(jnp.where(jnp.isfinite(difference), difference, 0.0) ** 2) / s.shape[0]
    return total


def _stage_vectors(f_s: Array, f_t: Array, v_t: Array | None, k: int) -> tuple[Array, Array]:
    """Student and teacher vectors [B, C, k] of one stage; the student's picked and signed to match the teacher's."""
    f_s, f_t = promote(f_s, f_t)
    same_channels("kdsvd", f_s, f_t)
    same_batch("kdsvd", f_s, f_t)
    x_t = jax.lax.stop_gradient(positions(f_t))
    _, sizes, vh = jnp.linalg.svd(x_t, full_matrices=False)
    sizes = l2_normalize(sizes[:, None, :k])
    v_t = vh[:, :k].mT if v_t is None else jax.lax.stop_gradient(promote(v_t)[0])
    v_s = right_singular_vectors(in_turn(positions(f_s), sizes), k + 3)
    cosine = jax.lax.stop_gradient(einsum("bcq,bck->bqk", v_s, v_t))
    closest = jnp.abs(cosine) == jnp.max(jnp.abs(cosine), axis=1, keepdims=True)
    v_s = einsum("bcq,bqk->bck", v_s, jnp.where(closest, jnp.sign(cosine), 0.0))
    return v_s * sizes, v_t * sizes


def _radial(x: Array, y: Array) -> Array:
    """[B, C, C', k] Gaussian similarities of the entries of x [B, C, k] and y [B, C', k]."""
    return jnp.exp(-((x[:, :, None, :] - y[:, None, :, :]) ** 2) / 8)
