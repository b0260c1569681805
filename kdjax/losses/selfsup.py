"""Pretext objectives of i-Mix and DS-SRD: a view of an image against another view, without labels.

q [B, D]: unit rows of the online side (the mixed view where there is mixing); k [B, D]: unit rows of the other side;
queue [K, D]: unit rows of older keys. partner [B] int and lam [B] in [1/2, 1] say which image is mixed in and how much
of the own is left; None means no mixing. Source: spec/self_supervised.md, 2.3 (i-Mix, Lee et al., ICLR 2021).
"""
import jax
import jax.numpy as jnp

from kdjax.losses.ops import Array, einsum, promote
from kdjax.losses.shapes import same_rows, same_shape


def similarities(q: Array, k: Array, queue: Array | None = None, *, temperature: float = 1.0) -> Array:
    """q [k ; queue]^T / temperature, [B, B + K]: column i < B is key i. No argument is detached."""
    _keys_fit(q, k, k if queue is None else queue)
    keys = k if queue is None else jnp.concatenate([k, queue.astype(k.dtype)])
    return einsum("id,jd->ij", *promote(q, keys)) / temperature


def mixed_cross_entropy(logits: Array, partner: Array | None = None, lam: Array | None = None) -> Array:
    """Mean of lam CE(z_i, i) + (1 - lam) CE(z_i, partner_i) of logits [B, >= B]; CE(z_i, i) without mixing."""
    log_p = jax.nn.log_softmax(*promote(logits))
    own, other, lam = _weighted(log_p, partner, lam)
    return -jnp.mean(lam * own + (1 - lam) * other)


def npair(q: Array, k: Array, *, temperature: float = 0.2, partner: Array | None = None,
          lam: Array | None = None) -> Array:
    """N-pair (SimCLR's form in i-Mix): one-directional, B ways, no negatives from the q side. Nothing is detached."""
    return mixed_cross_entropy(similarities(q, k, temperature=temperature), partner, lam)


def moco(q: Array, k: Array, queue: Array, *, temperature: float = 0.2) -> Array:
    """InfoNCE of MoCo (He et al., CVPR 2020): the own key against the queue. Keys and queue are detached."""
    return -jnp.mean(jax.nn.log_softmax(moco_logits(q, k, queue, temperature=temperature))[:, 0])


def moco_logits(q: Array, k: Array, queue: Array, *, temperature: float = 0.2) -> Array:
    """[q_i . k_i, q_i . queue] / temperature, [B, 1 + K]; the answer is column 0. Keys and queue are detached."""
    _keys_fit(q, k, queue)
    q, k, queue = promote(q, *jax.lax.stop_gradient((k, queue)))
    return jnp.concatenate([jnp.sum(q * k, axis=1, keepdims=True), einsum("id,jd->ij", q, queue)], axis=1) / temperature


def mocon(q: Array, k: Array, queue: Array, *, temperature: float = 0.2, partner: Array | None = None,
          lam: Array | None = None) -> Array:
    """MoCo with the batch's own keys in front of the queue, which i-Mix needs. Keys and queue are detached."""
    k, queue = jax.lax.stop_gradient((k, queue))
    return mixed_cross_entropy(similarities(q, k, queue, temperature=temperature), partner, lam)


def byol(q: Array, k: Array, *, partner: Array | None = None, lam: Array | None = None) -> Array:
    """2 - 2 (lam q_i . k_i + (1 - lam) q_i . k_partner), the mean; in [0, 4] (BYOL, Grill et al., NeurIPS 2020).

    k is detached. Two targets are two distances, not a distance to a mixed target.
    """
    own, other, lam = _weighted(similarities(q, jax.lax.stop_gradient(k)), partner, lam)
    return jnp.mean(2 - 2 * (lam * own + (1 - lam) * other))


def retrieval(logits: Array, column: Array | None = None, k: int = 1) -> Array:
    """Percentage of rows whose own column (row i's: i, or column [B]) is among the k largest of its logits."""
    column = jnp.arange(len(logits)) if column is None else column
    own = jnp.take_along_axis(logits, column[:, None], axis=1)
    return 100 * jnp.mean(jnp.sum(logits > own, axis=1) < k)


def _weighted(values: Array, partner: Array | None, lam: Array | None) -> tuple[Array, Array, Array]:
    """Of [B, >= B] values: the own column's, the partner's, and lam in their dtype."""
    rows = jnp.arange(len(values))
    own = values[rows, rows]
    if partner is None:
        return own, own, jnp.ones((), values.dtype)
    if not partner.shape == lam.shape == rows.shape:
        raise ValueError(f"mixing needs one partner and one lam for each of {len(rows)} rows, not {partner.shape} and "
                         f"{lam.shape}")
    return own, values[rows, partner], lam.astype(values.dtype)


def _keys_fit(q: Array, k: Array, queue: Array) -> None:
    same_shape("keys", q, k)
    same_rows("keys", q, queue, "the queue")
