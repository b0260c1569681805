"""Knowledge in the responses: losses on logits [B, C], sample by sample."""
import jax
import jax.numpy as jnp

from kdjax.losses.ops import Array
from kdjax.losses.shapes import alike, is_label

REMOVED = -1e9  # the logit of a class that shall not count: its probability is 0 exactly, and nothing is infinite


def kl_divergence(logits_s: Array, logits_t: Array, *, temperature: float = 4.0) -> Array:
    """Knowledge distillation (Hinton, Vinyals, Dean 2015): KL(teacher || student) of the softened distributions.

    logits_s, logits_t: [B, C]. Returns the scalar T^2 / B * sum q_t (log q_t - log q_s), q = softmax(logits / T):
    zero at equality (up to rounding, either sign), otherwise positive. Differentiable in both; a target of 0
    contributes exactly 0.
    """
    logits_s, logits_t = alike("kl_divergence", logits_s, logits_t)
    log_s, log_t = jax.nn.log_softmax(logits_s / temperature), jax.nn.log_softmax(logits_t / temperature)
    return jnp.mean(kl_rows(log_s, log_t)) * temperature**2


def dkd(logits_s: Array, logits_t: Array, labels: Array, *, alpha: float = 1.0, beta: float = 8.0,
        temperature: float = 4.0) -> Array:
    """Decoupled knowledge distillation (Zhao et al., CVPR 2022): alpha * target part + beta * non-target part.

    logits_s, logits_t: [B, C]; labels: int [B]. Returns a scalar. The target part is the KL of the pairs (p_y, 1 -
    p_y), the non-target part the KL over the other classes, both times T^2. The released code masks the label by
    subtracting 1000 from its softened logit (kept here: it is exact in float32 and float64 for sane logits) and takes
    the logarithm of a sum of probabilities, which is infinite for very certain students; here that is a log-sum-exp,
    equal where both are finite. Warm-up and cross entropy are the method's.
    """
    logits_s, logits_t = alike("dkd", logits_s, logits_t)
    return jnp.mean(dkd_rows(logits_s, logits_t, is_label(labels, logits_s), alpha, beta, temperature))


def dkd_rows(logits_s: Array, logits_t: Array, target: Array, alpha: float, beta: float, temperature: float) -> Array:
    """[...]: decoupled distillation row by row of logits [..., C]; target: True at the row's label."""
    def others(logits):
        return jax.nn.log_softmax(jnp.where(target, logits / temperature - 1000.0, logits / temperature))

    binary_s, binary_t = (log_binary(x / temperature, target) for x in (logits_s, logits_t))
    rows = alpha * kl_rows(binary_s, binary_t) + beta * kl_rows(others(logits_s), others(logits_t))
    return rows * temperature**2


def log_binary(logits: Array, target: Array) -> Array:
    """[..., 2]: log p and log(1 - p) of the one class where `target` [..., C] is True; the rest as a log-sum-exp."""
    log_p = jax.nn.log_softmax(logits)
    inside = jnp.sum(jnp.where(target, log_p, 0.0), axis=-1)
    return jnp.stack([inside, jax.nn.logsumexp(jnp.where(target, -jnp.inf, log_p), axis=-1)], axis=-1)


def wsld(logits_s: Array, logits_t: Array, labels: Array, *, temperature: float = 2.0, alpha: float = 2.5,
         label_smoothing: float = 0.0) -> Array:
    """Weighted soft labels (Zhou et al., ICLR 2021): CE(student, label) + alpha T^2 mean_b(w_b * soft cross entropy_b).

    logits_s, logits_t: [B, C]; labels: int [B]. Returns a scalar. It contains the hard loss: train with gamma = 0.
    w_b = 1 - exp(-CE_s / (CE_t + 1e-7)) at temperature 1, detached: samples the student already knows count less.
    The released code takes (teacher, student, label) and reads its temperature from an unrelated flag (0.07); here 2.
    """
    logits_s, logits_t = alike("wsld", logits_s, logits_t)
    hard = is_label(labels, logits_s).astype(logits_s.dtype)
    log_s, log_t = jax.nn.log_softmax(logits_s), jax.nn.log_softmax(logits_t)
    ratio = -jnp.sum(hard * log_s, axis=-1) / (1e-7 - jnp.sum(hard * log_t, axis=-1))
    weight = jax.lax.stop_gradient(1.0 - jnp.exp(-jnp.maximum(ratio, 0.0)))
    soft = cross_entropy(logits_s / temperature, jax.nn.softmax(logits_t / temperature))
    targets = (1.0 - label_smoothing) * hard + label_smoothing / logits_s.shape[-1]
    return jnp.mean(cross_entropy(logits_s, targets)) + alpha * temperature**2 * jnp.mean(weight * soft)


def nkd(logits_s: Array, logits_t: Array, labels: Array, *, gamma: float = 1.5, temperature: float = 1.0) -> Array:
    """Normalised knowledge distillation (Yang et al., ICCV 2023): the label's share and, apart, the other classes.

    logits_s, logits_t: [B, C]; labels: int [B]. Returns the scalar mean over the batch of -p_t[y] log p_s[y] (at
    temperature 1, p_t[y] detached) - gamma T^2 sum_{c != y} q_t log q_s, q the softmax over the other classes at
    temperature T. Both are cross entropies, so that equality is not zero. The cross entropy with the labels is the
    method's. The copy inside the SDD release keeps the label among the others by mistake; here it is removed.
    """
    logits_s, logits_t = alike("nkd", logits_s, logits_t)
    target = is_label(labels, logits_s)
    share = jax.lax.stop_gradient(jnp.where(target, jax.nn.softmax(logits_t), 0.0))
    log_s, log_t = (jax.nn.log_softmax(jnp.where(target, REMOVED, x / temperature)) for x in (logits_s, logits_t))
    rest = jnp.sum(jnp.exp(log_t) * log_s, axis=-1)
    return jnp.mean(cross_entropy(logits_s, share) - gamma * temperature**2 * rest)


def ttm(logits_s: Array, logits_t: Array, *, power: float = 0.1) -> Array:
    """Transformed teacher matching (Zheng & Yang, ICLR 2024): only the teacher is softened, by a power of p_t.

    logits_s, logits_t: [B, C]. Returns the scalar mean of KL(q || softmax(z_s)), q = p_t^power over its sum; power is
    1/T (the release's `ttm_l`). The student stays at temperature 1, and there is no T^2.
    """
    rows, _ = _transformed("ttm", logits_s, logits_t, power)
    return jnp.mean(rows)


def wttm(logits_s: Array, logits_t: Array, *, power: float = 0.1) -> Array:
    """Weighted TTM (Zheng & Yang, ICLR 2024): `ttm` with each sample times n = sum_c p_t^power, in [1, C^(1 - power)].

    Flat teacher outputs count more. Arguments and result as in `ttm`.
    """
    rows, log_n = _transformed("wttm", logits_s, logits_t, power)
    return jnp.mean(jnp.exp(log_n) * rows)


def _transformed(loss: str, logits_s: Array, logits_t: Array, power: float) -> tuple[Array, Array]:
    """([B] KL of each sample, [B] log of the sum of the teacher's powers); in logs, where p_t may underflow."""
    logits_s, logits_t = alike(loss, logits_s, logits_t)
    powers = power * jax.nn.log_softmax(logits_t)
    return kl_rows(jax.nn.log_softmax(logits_s), jax.nn.log_softmax(powers)), jax.nn.logsumexp(powers, axis=-1)


def rld(logits_s: Array, logits_t: Array, labels: Array, *, alpha: float = 1.0, beta: float = 8.0,
        temperature: float = 4.0, alpha_temperature: float = 1.0) -> Array:
    """Refined logit distillation (Sun et al., ICCV 2025): alpha * sample confidence + beta * masked correlation.

    logits_s, logits_t: [B, C]; labels: int [B]. Returns a scalar >= 0. The first part is the KL of (p, 1 - p), p being
    the teacher's largest probability and the student's at the *label*, at alpha_temperature and times its square; the
    second T^2 KL over the classes that the teacher ranks below the label: the others are set to -1e9 in both. Where
    none is left the second part is 0. Warm-up and cross entropy are the method's.
    """
    logits_s, logits_t = alike("rld", logits_s, logits_t)
    target = is_label(labels, logits_s)
    binary_s = log_binary(logits_s / alpha_temperature, target)
    binary_t = log_binary(logits_t / alpha_temperature, is_label(jnp.argmax(logits_t, axis=-1), logits_t))
    above = logits_t >= jnp.sum(jnp.where(target, logits_t, 0.0), axis=-1, keepdims=True)
    log_s, log_t = (jax.nn.log_softmax(jnp.where(above, REMOVED, x / temperature)) for x in (logits_s, logits_t))
    confidence, correlation = kl_rows(binary_s, binary_t), kl_rows(log_s, log_t)
    return jnp.mean(alpha * alpha_temperature**2 * confidence + beta * temperature**2 * correlation)


def cross_entropy(logits: Array, targets: Array) -> Array:
    """[B]: -sum_c targets * log_softmax(logits), for probabilities `targets` [B, C]."""
    return -jnp.sum(targets * jax.nn.log_softmax(logits), axis=-1)


def kl_rows(log_s: Array, log_t: Array) -> Array:
    """[...]: sum over the last axis of q_t (log q_t - log q_s). Both in logs: no 0 * log 0, no x / 0."""
    return jnp.sum(jnp.exp(log_t) * (log_t - log_s), axis=-1)
