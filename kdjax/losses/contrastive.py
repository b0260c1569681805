"""Contrastive knowledge: a sample against others, from the batch, a bank of all samples, or a queue of recent ones.

Vectors z_s, z_t [B, D] arrive normalised (`l2_normalize` is the caller's).
Memories are arrays in and out, always detached.
"""
import jax
import jax.numpy as jnp

from kdjax.losses.ops import Array, einsum, l2_normalize, promote
from kdjax.losses.response import cross_entropy, kl_divergence
from kdjax.losses.shapes import alike, same_rows

Norms = tuple[Array, Array]


def dcd(z_s: Array, z_t: Array, tau: Array, b: Array, *, alpha: float = 0.5, max_tau: float = 10.0) -> Array:
    """Discriminative and consistent distillation (Giakoumoglou & Stathaki 2024), on the B x B similarities of a batch.

    z_s, z_t: unit rows [B, D]; tau, b: learnable scalars, A = min(exp(tau), max_tau) * z_s z_t^T + b. Returns the
    scalar CE(A, diagonal) + alpha * KL(softmax of A^T || softmax of A), rows. Nothing is detached. b cancels
    (gradient 0), and tau has gradient 0 above log(max_tau).
    """
    (z_s, z_t), (tau, b) = alike("dcd", z_s, z_t), promote(tau, b)
    limit = jnp.log(jnp.asarray(max_tau, tau.dtype))
    scores = jnp.exp(jnp.where(tau <= limit, tau, limit)) * einsum("id,jd->ij", z_s, z_t) + b
    discriminate = -jnp.mean(jnp.diagonal(jax.nn.log_softmax(scores)))
    return discriminate + alpha * kl_divergence(scores, scores.T, temperature=1.0)


def crd(z_s: Array, z_t: Array, mem_s: Array, mem_t: Array, *, n_data: int, temperature: float = 0.07,
        norm_s: Array | float | None = None, norm_t: Array | float | None = None,
        eps: float = 1e-7) -> tuple[Array, Norms]:
    """Contrastive representation distillation (Tian et al., ICLR 2020), with banks of all n_data samples.

    z_s, z_t: unit rows [B, D]; mem_s, mem_t [B, K+1, D]: rows of the student's and the teacher's bank at the same
    indices, column 0 the positive. norm_s, norm_t: the constants that divide the scores of z_s (against mem_t) and of
    z_t (against mem_s); None, or a negative number as in the released code, means not set yet: then taken from this
    batch. Returns (scalar >= 0, (norm_s, norm_t) as used). The released code keeps the first batch's constants for
    the whole run.
    """
    scores_s, scores_t = _bank_scores(z_s, z_t, mem_s, mem_t, temperature)
    loss_s, norm_s = nce_from_scores(scores_s, n_data, norm_s, eps)
    loss_t, norm_t = nce_from_scores(scores_t, n_data, norm_t, eps)
    return loss_s + loss_t, (norm_s, norm_t)


def nce_from_scores(scores: Array, n_data: int, norm: Array | float | None = None,
                    eps: float = 1e-7) -> tuple[Array, Array]:
    """CRD's noise-contrastive loss for one side, once the scores are known (say, from one product with a whole bank).

    scores [B, K+1]: z . row / temperature, column 0 the positive, before any exponential. norm: as in `crd`.
    Returns (scalar, norm). With o = exp(scores) / norm and c = K / n_data it is the batch mean of
    -log(o_0 / (o_0 + c + eps)) - sum_{k >= 1} log(c / (o_k + c + eps)), computed in logs.
    """
    (scores,) = promote(scores)
    norm = score_norm(scores, n_data, norm)
    noise = (scores.shape[1] - 1) / n_data
    log_odds = scores - jnp.log(norm) - jnp.log(jnp.asarray(noise + eps, scores.dtype))
    positive = jnp.sum(jax.nn.softplus(-log_odds[:, 0]))
    # log(c / (c + eps)) is below float32's resolution of a ratio near 1, and counts K times
    negative = jnp.sum(jax.nn.softplus(log_odds[:, 1:]) + jnp.log1p(jnp.asarray(eps, scores.dtype) / noise))
    return (positive + negative) / scores.shape[0], norm


def score_norm(scores: Array, n_data: int, norm: Array | float | None = None) -> Array:
    """The constant that divides exp(scores): `norm` if set, else mean(exp(scores)) * n_data of this batch; detached."""
    fresh = jnp.mean(jnp.exp(scores)) * n_data
    norm = jnp.asarray(-1.0 if norm is None else norm, scores.dtype)
    return jax.lax.stop_gradient(jnp.where(norm < 0, fresh, norm))


def crd_fifo(z_s: Array, z_t: Array, queue: Array, *, temperature: float = 0.07) -> Array:
    """The queue form of CRD in the `distillers` release: InfoNCE of z_s, positive z_t, negatives the queue.

    z_s, z_t: unit rows [B, D]; queue [K, D], detached. Returns a scalar > 0. z_t gets a gradient through the positive.
    The released code enqueues first, so the positive is also among the negatives.
    """
    (z_s, z_t), (queue,) = alike("crd_fifo", z_s, z_t), promote(jax.lax.stop_gradient(queue))
    same_rows("crd_fifo", z_s, queue, "the queue")
    positive, negatives = jnp.sum(z_s * z_t, axis=1, keepdims=True), einsum("bd,kd->bk", z_s, queue)
    return -jnp.mean(jax.nn.log_softmax(jnp.concatenate([positive, negatives], axis=1) / temperature)[:, 0])


def rrd(z_s: Array, z_t: Array, queue: Array, *, temperature_s: float = 0.1, temperature_t: float = 0.02) -> Array:
    """Relational representation distillation (Giakoumoglou & Stathaki 2024): similarities to a queue of teacher rows.

    z_s, z_t: unit rows [B, D]; queue [K, D]. Returns the scalar cross entropy (not KL) of the student's softmax over
    the queue against the teacher's. z_t and the queue are detached, so a teacher projection never learns. The
    published numbers used 0.04 for the student, 0.10 for the teacher, and a queue updated after the loss.
    """
    z_t, queue = jax.lax.stop_gradient((z_t, queue))
    (z_s, z_t), (queue,) = alike("rrd", z_s, z_t), promote(queue)
    same_rows("rrd", z_s, queue, "the queue")
    target = jax.nn.softmax(einsum("bd,kd->bk", z_t, queue) / temperature_t)
    return jnp.mean(cross_entropy(einsum("bd,kd->bk", z_s, queue) / temperature_s, target))


def rrd_momentum(z_s: Array, z_t: Array, mem_s: Array, mem_t: Array, *, n_data: int, temperature: float = 0.07,
                 temperature_s: float = 0.1, temperature_t: float = 0.02, norm_s: Array | float | None = None,
                 norm_t: Array | float | None = None) -> tuple[Array, Norms]:
    """RRD with CRD's banks: arguments and norms as in `crd`, cross entropy as in `rrd`.

    Returns (scalar, (norm_s, norm_t)). As released, the softmaxes are taken of scores already exponentiated and divided
    by the norm, and the teacher's distribution is over the student's bank. z_t is detached.
    """
    scores_s, scores_t = _bank_scores(z_s, jax.lax.stop_gradient(z_t), mem_s, mem_t, temperature)
    norm_s, norm_t = score_norm(scores_s, n_data, norm_s), score_norm(scores_t, n_data, norm_t)
    target = jax.nn.softmax(jnp.exp(scores_t) / norm_t / temperature_t)
    return jnp.mean(cross_entropy(jnp.exp(scores_s) / norm_s / temperature_s, target)), (norm_s, norm_t)


def _bank_scores(z_s: Array, z_t: Array, mem_s: Array, mem_t: Array, temperature: float) -> Norms:
    """Crosswise: the student against the teacher's rows, the teacher against the student's."""
    (z_s, z_t), (mem_s, mem_t) = alike("banks", z_s, z_t), alike("banks", *jax.lax.stop_gradient((mem_s, mem_t)))
    if mem_s.ndim != 3 or mem_s[:, 0].shape != z_s.shape:
        raise ValueError(f"banks: for vectors {z_s.shape} the rows must be [B, K + 1, D], not {mem_s.shape}")
    return einsum("bd,bkd->bk", z_s, mem_t) / temperature, einsum("bd,bkd->bk", z_t, mem_s) / temperature


def memory_update(rows: Array, z: Array, *, momentum: float = 0.5) -> Array:
    """New unit rows [B, D] of a bank: momentum * rows + (1 - momentum) * z, normalised; detached, dtype of rows."""
    rows, z = jax.lax.stop_gradient((jnp.asarray(rows), z))
    wide_rows, wide_z = alike("memory_update", rows, z)
    return l2_normalize(momentum * wide_rows + (1 - momentum) * wide_z).astype(rows.dtype)


def queue_enqueue(queue: Array, ptr: Array | int, keys: Array) -> tuple[Array, Array | int]:
    """(queue [K, D] with `keys` [B, D] written from row ptr on, (ptr + B) % K). Detached, wraps around; B <= K."""
    size, count = queue.shape[0], keys.shape[0]
    same_rows("queue_enqueue", keys, queue, "the queue")
    if count > size:
        raise ValueError(f"queue_enqueue: {count} keys do not fit into a queue of {size}")
    rows = (ptr + jnp.arange(count)) % size
    return jax.lax.stop_gradient(queue.at[rows].set(keys.astype(queue.dtype))), (ptr + count) % size
