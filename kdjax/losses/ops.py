"""The primitives under the losses: torch's exact meanings, finite gradients everywhere, at least float32.

JAX and torch disagree where a derivative does not exist (a norm at zero, a clamp at its bound), and a naive `jnp`
version gives NaN there. Everything below takes torch's side (spec/losses.md, sections 3.4 and 11).
"""
from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp

Array = jax.Array

# A GPU's default for float32 products is tf32: ten bits of mantissa, too few for differences of Gram matrices.
einsum = partial(jnp.einsum, precision="highest")


def promote(*arrays: Array) -> list[Array]:
    """The arrays in at least float32: bfloat16 and integers go up, float32 and float64 stay."""
    arrays = [jnp.asarray(x) for x in arrays]
    return [x.astype(jnp.promote_types(x.dtype, jnp.float32)) for x in arrays]


def mean_squared_error(x: Array, y: Array) -> Array:
    """Mean of (x - y)^2 over all elements (torch `MSELoss`)."""
    return jnp.mean((x - y) ** 2)


def safe_sqrt(x: Array) -> Array:
    """sqrt with derivative 0 at 0: torch's subgradient of a norm of zeros, where `jnp.sqrt` has infinity."""
    positive = x > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, x, 1.0)), 0.0)


def absolute(x: Array) -> Array:
    """|x| with derivative 0 at 0, as in torch; `jnp.abs` has 1 there."""
    return x * jax.lax.stop_gradient(jnp.sign(x))


def l2_normalize(x: Array, axis: int | Sequence[int] = -1, eps: float = 1e-12) -> Array:
    """x / max(||x||_2, eps) along `axis`, in x's dtype: torch `F.normalize`, gradients included.

    Where the norm is below eps it counts as a constant: zeros map to zeros, and the gradient is the incoming one / eps.
    """
    (wide,) = promote(x)
    square = jnp.sum(wide * wide, axis=axis, keepdims=True)
    large = square >= eps * eps
    norm = jnp.where(large, jnp.sqrt(jnp.where(large, square, 1.0)), eps)
    return (wide / norm).astype(jnp.asarray(x).dtype)


def smooth_l1(x: Array, y: Array, beta: float = 1.0) -> Array:
    """Elementwise, d = x - y: d^2 / (2 beta) where |d| < beta, else |d| - beta / 2 (beta = 0: |d|). No reduction."""
    d = absolute(x - y)
    return jnp.where(d < beta, 0.5 * d * d / (beta or 1.0), d - 0.5 * beta)


def adaptive_avg_pool(x: Array, out_size: int | Sequence[int]) -> Array:
    """Adaptive average pooling of maps [..., h, w, C] to [..., o_h, o_w, C] (torch `AdaptiveAvgPool2d`).

    out_size: an int or (o_h, o_w). Output i averages inputs floor(i n / m) .. ceil((i + 1) n / m) - 1 on each axis;
    the windows overlap where m does not divide n, and repeat where m > n.
    """
    rows, cols = out_size if isinstance(out_size, (tuple, list)) else (out_size, out_size)
    *lead, h, w, c = x.shape
    if (rows, cols) == (h, w):
        return x
    if h % rows == 0 and w % cols == 0:
        return jnp.mean(x.reshape(*lead, rows, h // rows, cols, w // cols, c), axis=(-4, -2))
    (wide,) = promote(x)
    pooled = einsum("oh,pw,...hwc->...opc", _windows(h, rows, wide.dtype), _windows(w, cols, wide.dtype), wide)
    return pooled.astype(x.dtype)


def _windows(n: int, m: int, dtype) -> Array:
    """[m, n]: row i holds the weights of output i of adaptive pooling from n to m."""
    i, j = jnp.arange(m)[:, None], jnp.arange(n)[None, :]
    inside = (j >= i * n // m) & (j * m < (i + 1) * n)  # j < ceil((i + 1) n / m), without the ceiling
    return (inside / jnp.sum(inside, axis=1, keepdims=True)).astype(dtype)


def match_size(x: Array, y: Array) -> tuple[Array, Array]:
    """The pair with the larger map pooled to (h, h) of the smaller; heights decide, nothing is ever enlarged."""
    return shrink_to(x, y), shrink_to(y, x)


def shrink_to(x: Array, like: Array) -> Array:
    """x [B, H, W, C], pooled to like's height (squared) if it is higher, else untouched."""
    return adaptive_avg_pool(x, like.shape[1]) if x.shape[1] > like.shape[1] else x


def positions(f: Array) -> Array:
    """A map [B, H, W, C] as [B, H*W, C]."""
    return f.reshape(f.shape[0], -1, f.shape[-1])


def flatten(f: Array) -> Array:
    """Anything [B, ...] as [B, -1]."""
    return f.reshape(f.shape[0], -1)


def in_turn(x: Array, before: Array) -> Array:
    """x, available no earlier than `before` is.

    Decompositions must come one after another: jaxlib's LAPACK kernels wait inside XLA's thread pool for work that they
    give to the same pool, so that as many at once as there are cores wait for ever (seen with jaxlib 0.10.2, 2 cores).
    """
    never = jnp.ravel(jax.lax.stop_gradient(before))[0] > jnp.finfo(before.dtype).max / 2
    return x + never.astype(x.dtype)


@partial(jax.custom_jvp, nondiff_argnums=(1,))
def right_singular_vectors(x: Array, count: int) -> Array:
    """The first `count` (at most min(n, m)) right singular vectors of x [..., n, m], as columns [..., m, count].

    Signs are LAPACK's. The derivative is that of the thin SVD, with the terms of (nearly) equal singular values and of
    (nearly) zero ones left out, where torch and `jnp.linalg.svd` divide by zero.
    """
    return jnp.linalg.svd(x, full_matrices=False)[2][..., :count, :].mT


@right_singular_vectors.defjvp
def _right_singular_vectors_jvp(count, primals, tangents):
    """First-order perturbation of the eigenvectors of x^T x, in units of the largest singular value."""
    (x,), (dx,) = primals, tangents
    u, s, vh = jnp.linalg.svd(x, full_matrices=False)
    v, scale, tol = vh.mT, jnp.maximum(s[..., :1], 1e-12), max(x.shape[-2:]) * jnp.finfo(x.dtype).eps
    s, dx = s / scale, dx / scale[..., None]
    u_q, s_q, v_q = u[..., :count], s[..., None, :count], v[..., :count]
    s = s[..., :, None]
    gap = _reciprocal((s_q - s) * (s_q + s), jnp.abs(s_q - s) > tol)
    turned = einsum("...nm,...nq->...mq", dx, u_q)
    inside = einsum("...mr,...mq->...rq", v, turned)
    mixed = einsum("...nr,...nm,...mq->...rq", u, dx, v_q)
    dv = einsum("...mr,...rq->...mq", v, gap * (inside * s_q + s * mixed))
    outside = (turned - einsum("...mr,...rq->...mq", v, inside)) * _reciprocal(s_q, s_q > tol)
    return v_q, dv + outside


def _reciprocal(x: Array, usable: Array) -> Array:
    return jnp.where(usable, 1 / jnp.where(usable, x, 1.0), 0.0)
