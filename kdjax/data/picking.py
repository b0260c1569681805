"""Picking: of a pool of mixed images, those that a criterion scores highest (DS-SRD, Good-DA-in-KD)."""
import jax
import jax.numpy as jnp

Array = jax.Array


def scores(criterion: str, *, logits_s: Array | None = None, logits_t: Array | None = None,
           logits_t_ref: Array | None = None, temperature: float = 4.0) -> Array:
    """The score [N] of each pooled image, higher is kept; computed in at least float32.

    logits_s, logits_t: [N, C] of the pool; logits_t_ref: [B, C] of the images that the pool was made from.
    student_entropy, teacher_entropy: -sum p log p at temperature 1. kld: KL(teacher || student) at `temperature`.
    dissimilarity: squared distance of the teacher's probabilities to the nearest of logits_t_ref's.
    The release takes the log of a softmax: an underflow is NaN there, which sorts highest and is picked; here it is 0.
    Raises ValueError for another criterion.
    """
    if criterion not in CRITERIA:
        raise ValueError(f"criterion={criterion!r}: use one of {', '.join(CRITERIA)}")
    return CRITERIA[criterion](logits_s, logits_t, logits_t_ref, temperature)


def top(score: Array, n: int) -> Array:
    """The rows of the n highest scores (all, if there are fewer), in ascending order of score: int [min(n, N)]."""
    return jnp.argsort(score)[max(score.shape[0] - n, 0):]


def needs(criterion: str) -> tuple[str, ...]:
    """The networks that a criterion looks at."""
    return {"student_entropy": ("student",), "kld": ("student", "teacher")}.get(criterion, ("teacher",))


def entropy(logits: Array) -> Array:
    """-sum p log p [N] of logits [N, C], in nats; 0 log 0 is 0."""
    log_p = _log_softmax(logits)
    return -jnp.sum(jnp.exp(log_p) * log_p, axis=-1)


def _divergence(logits_s, logits_t, temperature):
    log_s, log_t = (_log_softmax(z, temperature) for z in (logits_s, logits_t))
    return jnp.sum(jnp.exp(log_t) * (log_t - log_s), axis=-1)


def _dissimilarity(logits_t, logits_t_ref):
    p, ref = (jnp.exp(_log_softmax(z)) for z in (logits_t, logits_t_ref))
    products = jnp.einsum("nc,bc->nb", p, ref, precision="highest")
    return jnp.min(jnp.sum(p * p, axis=-1)[:, None] - 2 * products + jnp.sum(ref * ref, axis=-1), axis=-1)


def _log_softmax(logits, temperature=1.0):
    logits = jnp.asarray(logits)
    return jax.nn.log_softmax(logits.astype(jnp.promote_types(logits.dtype, jnp.float32)) / temperature)


CRITERIA = {
    "student_entropy": lambda s, t, ref, temperature: entropy(s),
    "teacher_entropy": lambda s, t, ref, temperature: entropy(t),
    "kld": lambda s, t, ref, temperature: _divergence(s, t, temperature),
    "dissimilarity": lambda s, t, ref, temperature: _dissimilarity(t, ref),
}
