"""Knowledge in the features themselves: maps [B, H, W, C] (or lists of them) compared position by position."""
from collections.abc import Sequence

import jax
import jax.numpy as jnp

from kdjax.losses.ops import (
    Array,
    absolute,
    einsum,
    l2_normalize,
    match_size,
    mean_squared_error,
    positions,
    promote,
    shrink_to,
)
from kdjax.losses.shapes import alike, same_batch, same_channels, same_shape


def hint(f_s: Array, f_t: Array) -> Array:
    """FitNets (Romero et al., ICLR 2015): mean squared error of a regressed student map and the teacher's.

    f_s, f_t: equal shapes, else ValueError; the regressor (conv, BN, ReLU) is the method's. Returns a scalar >= 0.
    The paper pre-trains the lower half with it; the released code trains everything jointly.
    """
    return mean_squared_error(*alike("hint", f_s, f_t))


def attention_map(f: Array, p: int = 2) -> Array:
    """[B, H*W]: where a map [B, H, W, C] has its energy: mean_c f^p, one unit vector a sample (zeros stay zeros)."""
    return l2_normalize(jnp.mean(positions(f) ** p, axis=-1))


def attention(f_s: Array, f_t: Array, *, p: int = 2) -> Array:
    """Attention transfer (Zagoruyko & Komodakis, ICLR 2017): mean squared difference of two attention maps.

    f_s [B, H, W, Cs], f_t [B, h, w, Ct]: sizes and channels may differ, the larger map is pooled before the power is
    taken. Returns a scalar >= 0. The paper takes the norm of the difference; the released code the mean of its squares.
    """
    f_s, f_t = match_size(*promote(f_s, f_t))
    same_batch("attention", f_s, f_t)
    return mean_squared_error(attention_map(f_s, p), attention_map(f_t, p))


def factor_transfer(f_s: Array, f_t: Array, *, p1: int = 2, p2: int = 1) -> Array:
    """Factor transfer (Kim et al., NeurIPS 2018): mean |A_s - A_t| (p2 = 1), else mean (A_s - A_t)^p2.

    f_s, f_t: the translator's and the paraphraser's factors, maps of any size; A = attention_map(., p1). Returns a
    scalar. The paper compares normalised factors, the released code their attention maps. Gradient 0 at equality.
    """
    f_s, f_t = match_size(*promote(f_s, f_t))
    same_batch("factor_transfer", f_s, f_t)
    difference = attention_map(f_s, p1) - attention_map(f_t, p1)
    return jnp.mean(absolute(difference) if p2 == 1 else difference**p2)


def nst(f_s: Array, f_t: Array) -> Array:
    """Neuron selectivity transfer (Huang & Wang 2017): squared MMD, polynomial kernel, between the sets of channels.

    f_s [B, H, W, Cs], f_t [B, h, w, Ct]: sizes (larger pooled) and channels may differ. With unit vectors x_i over
    positions and k(X, Y) = mean_{b,i,j} (x_i . y_j)^2, returns the scalar k(T, T) + k(S, S) - 2 k(S, T), k(T, T)
    detached.
    """
    x, y = (l2_normalize(positions(f), axis=1) for f in match_size(*promote(f_s, f_t)))
    same_batch("nst", x, y)
    k = _mean_squared_product
    return jax.lax.stop_gradient(k(y, y)) + k(x, x) - 2 * k(x, y)


def _mean_squared_product(x: Array, y: Array) -> Array:
    """mean_{b,i,j} (x_i . y_j)^2 of the columns of x [B, P, I] and y [B, P, J].

    The sum is ||x^T y||^2 = <x x^T, y y^T>, channels squared or positions squared: the smaller one is formed.
    """
    if x.shape[1] < min(x.shape[2], y.shape[2]):
        total = jnp.sum(einsum("bpi,bqi->bpq", x, x) * einsum("bpj,bqj->bpq", y, y))
    else:
        total = jnp.sum(einsum("bpi,bpj->bij", x, y) ** 2)
    return total / (x.shape[0] * x.shape[2] * y.shape[2])


def activation_boundary(g_s: Sequence[Array], g_t: Sequence[Array], *, margin: float = 1.0) -> Array:
    """Activation boundaries (Heo et al., AAAI 2019): squared hinge on the side of zero each teacher neuron lies.

    g_s: connector outputs, g_t: teacher pre-activations, L maps each, stage by stage of equal shapes (else ValueError).
    Stage loss = sum of (s + m)^2 [s > -m, t <= 0] + (s - m)^2 [s <= m, t > 0]; returns the scalar
    sum_i 2^(i - L + 1) * stage_i * 3 / (1000 B), so the last stage has weight 1. Used in pre-training only.
    """
    total = 0.0
    for i, (s, t) in enumerate(zip(g_s, g_t, strict=True)):
        s, t = alike("activation_boundary", s, t)
        off, on = (s > -margin) & (t <= 0), (s <= margin) & (t > 0)
        stage = jnp.sum(jnp.where(off, (s + margin) ** 2, 0.0) + jnp.where(on, (s - margin) ** 2, 0.0))
        total += stage * (2.0 ** (i - len(g_s) + 1) * 3 / (1000 * s.shape[0]))
    return total


def semckd(proj_s: Sequence[Sequence[Array]], target_t: Sequence[Sequence[Array]], weights: Array) -> Array:
    """SemCKD (Chen et al., AAAI 2021): every student stage against every teacher stage, weighted sample by sample.

    proj_s, target_t: nested lists [S][T] of maps, pair by pair of equal shapes (else ValueError); weights [B, S, T].
    Returns the scalar sum_{b,i,j} weights * (mean squared error of sample b) / (B S). Differentiable in the weights.
    """
    (weights,) = promote(weights)

    def error(p, t):
        p, t = alike("semckd", p, t)
        return jnp.mean((p - t) ** 2, axis=tuple(range(1, p.ndim)))

    errors = jnp.stack([jnp.stack([error(p, t) for p, t in zip(ps, ts, strict=True)], axis=-1)
                        for ps, ts in zip(proj_s, target_t, strict=True)], axis=1)
    same_shape("semckd weights", errors, weights)
    return jnp.sum(weights * errors) / (errors.shape[0] * errors.shape[1])


def semckd_weights(query: Array, key: Array, *, soft: float = 1.0) -> Array:
    """[B, S, T]: softmax over teacher stages of query [B, S, d] . key [B, T, d] / soft (SemCKD's attention)."""
    query, key = promote(query, key)
    same_batch("semckd_weights", query, key)
    same_channels("semckd_weights", query, key)
    return jax.nn.softmax(einsum("bsd,btd->bst", query, key) / soft, axis=-1)


def srrl(trans_s: Array, f_t: Array, pred_s: Array, logits_t: Array) -> Array:
    """Softmax regression representation learning (Yang et al., ICLR 2021): feature MSE + MSE of two logits.

    trans_s: the adapted student embedding, f_t: the teacher's [B, D]; pred_s = frozen teacher classifier(trans_s),
    logits_t [B, C]. Equal shapes, else ValueError. Returns a scalar >= 0.
    """
    features, logits = alike("srrl", trans_s, f_t), alike("srrl", pred_s, logits_t)
    return mean_squared_error(*features) + mean_squared_error(*logits)


def simkd(f_s: Array, f_t: Array) -> Array:
    """SimKD (Chen et al., CVPR 2022): mean squared error of the projected student map and the teacher's last map.

    f_s [B, h, h, C]: the projector's output, never pooled here; f_t [B, H, H, C] is pooled to h if larger.
    Raises ValueError if the shapes then differ (pool the student before its projector). Returns a scalar >= 0.
    """
    f_s, f_t = promote(f_s, f_t)
    return mean_squared_error(*alike("simkd", f_s, shrink_to(f_t, f_s)))
