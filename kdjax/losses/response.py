"""Knowledge in the responses: losses on logits [B, C]."""
import jax
import jax.numpy as jnp

from kdjax.losses.ops import Array, promote


def kl_divergence(logits_s: Array, logits_t: Array, *, temperature: float = 4.0) -> Array:
    """Knowledge distillation (Hinton, Vinyals, Dean 2015): KL(teacher || student) of the softened distributions.

    logits_s, logits_t: [B, C]. Returns the scalar T^2 / B * sum q_t (log q_t - log q_s), q = softmax(logits / T):
    zero at equality (up to rounding, either sign), otherwise positive. Differentiable in both; a target of 0
    contributes exactly 0.
    """
    logits_s, logits_t = promote(logits_s, logits_t)
    log_s, log_t = jax.nn.log_softmax(logits_s / temperature), jax.nn.log_softmax(logits_t / temperature)
    return _kl(log_s, log_t) * temperature**2


def dkd(logits_s: Array, logits_t: Array, labels: Array, *, alpha: float = 1.0, beta: float = 8.0,
        temperature: float = 4.0) -> Array:
    """Decoupled knowledge distillation (Zhao et al., CVPR 2022): alpha * target part + beta * non-target part.

    logits_s, logits_t: [B, C]; labels: int [B]. Returns a scalar. The target part is the KL of the pairs (p_y, 1 -
    p_y), the non-target part the KL over the other classes, both times T^2. The released code masks the label by
    subtracting 1000 from its softened logit (kept here: it is exact in float32 and float64 for sane logits) and takes
    the logarithm of a sum of probabilities, which is infinite for very certain students; here that is a log-sum-exp,
    equal where both are finite. Warm-up and cross entropy are the method's.
    """
    logits_s, logits_t = promote(logits_s, logits_t)
    is_label = _is_label(labels, logits_s)

    def parts(logits):
        soft = logits / temperature
        log_p = jax.nn.log_softmax(soft)
        log_label = jnp.sum(jnp.where(is_label, log_p, 0.0), axis=-1)
        log_rest = jax.nn.logsumexp(jnp.where(is_label, -jnp.inf, log_p), axis=-1)
        return jnp.stack([log_label, log_rest], axis=-1), jax.nn.log_softmax(jnp.where(is_label, soft - 1000.0, soft))

    (binary_s, others_s), (binary_t, others_t) = parts(logits_s), parts(logits_t)
    return (alpha * _kl(binary_s, binary_t) + beta * _kl(others_s, others_t)) * temperature**2


def wsld(logits_s: Array, logits_t: Array, labels: Array, *, temperature: float = 2.0, alpha: float = 2.5,
         label_smoothing: float = 0.0) -> Array:
    """Weighted soft labels (Zhou et al., ICLR 2021): CE(student, label) + alpha T^2 mean_b(w_b * soft cross entropy_b).

    logits_s, logits_t: [B, C]; labels: int [B]. Returns a scalar. It contains the hard loss: train with gamma = 0.
    w_b = 1 - exp(-CE_s / (CE_t + 1e-7)) at temperature 1, detached: samples the student already knows count less.
    The released code takes (teacher, student, label) and reads its temperature from an unrelated flag (0.07); here 2.
    """
    logits_s, logits_t = promote(logits_s, logits_t)
    hard = _is_label(labels, logits_s).astype(logits_s.dtype)
    log_s, log_t = jax.nn.log_softmax(logits_s), jax.nn.log_softmax(logits_t)
    ratio = -jnp.sum(hard * log_s, axis=-1) / (1e-7 - jnp.sum(hard * log_t, axis=-1))
    weight = jax.lax.stop_gradient(1.0 - jnp.exp(-jnp.maximum(ratio, 0.0)))
    soft = cross_entropy(logits_s / temperature, jax.nn.softmax(logits_t / temperature))
    targets = (1.0 - label_smoothing) * hard + label_smoothing / logits_s.shape[-1]
    return jnp.mean(cross_entropy(logits_s, targets)) + alpha * temperature**2 * jnp.mean(weight * soft)


def cross_entropy(logits: Array, targets: Array) -> Array:
    """[B]: -sum_c targets * log_softmax(logits), for probabilities `targets` [B, C]."""
    return -jnp.sum(targets * jax.nn.log_softmax(logits), axis=-1)


def _kl(log_s: Array, log_t: Array) -> Array:
    """Batch mean of sum q_t (log q_t - log q_s). Both in logs, so that no 0 * log 0 and no x / 0 can appear."""
    return jnp.sum(jnp.exp(log_t) * (log_t - log_s)) / log_s.shape[0]


def _is_label(labels: Array, logits: Array) -> Array:
    return labels[:, None] == jnp.arange(logits.shape[-1])
