"""The counters that a step keeps on the device, and the scores of a batch of logits."""
from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax


def cross_entropy(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """[B, C], [B] -> [B], in at least float32."""
    logits = logits.astype(jnp.promote_types(logits.dtype, jnp.float32))
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels)


def tally(logits: jax.Array, labels: jax.Array, weights: jax.Array) -> dict:
    """Weighted sums over a batch: top-1 and top-5 hits, loss, count. Of equal logits the first wins, as for argmax."""
    own = jnp.take_along_axis(logits, labels[:, None], axis=1)
    tied_before = (logits == own) & (jnp.arange(logits.shape[1]) < labels[:, None])
    rank = jnp.sum((logits > own) | tied_before, axis=1)
    hit = lambda k: jnp.sum(weights * (rank < k) * jnp.isfinite(own[:, 0]))
    loss = jnp.sum(weights * cross_entropy(logits, labels))
    return {"top1": hit(1), "top5": hit(5), "loss": loss, "count": weights.sum()}


def no_metrics(names) -> dict:
    """Counters at the start of an epoch; names: the loss terms.

    sums: of the terms, each step's times its images; weight: the images of the steps in the sums, those whose numbers
    were finite. correct: of those steps too. images: of all steps. watched: like sums, of the terms times their weights
    and of the gradients' norm.
    """
    zero = lambda: jnp.zeros(())
    zeros = lambda names: {n: zero() for n in names}
    return {"sums": zeros(names), "watched": zeros(watched(names)), "last": zeros(names), "correct": zero(),
            "images": zero(), "weight": zero(), "steps": zero(), "skipped": zero(),
            "bad_step": -jnp.ones((), jnp.int32), "bad": {n: jnp.zeros((), bool) for n in [*names, "gradient"]}}


def watched(names) -> list[str]:
    """What is counted beside the terms `names`."""
    return [*(f"weighted_{name}" for name in names if name != "total"), "gradient_norm"]


def count(metrics: dict, terms: dict, correct, images: int, finite: dict, step, beside: dict) -> dict:
    """Counters after one more step. The first step with something not finite is remembered with the guilty terms.
    beside: the values of `watched`."""
    good = jnp.all(jnp.stack(list(finite.values())))
    added = lambda sum_, value: sum_ + jnp.where(good, jnp.asarray(value, sum_.dtype), 0)  # a bad step's may be NaN
    first_bad = ~good & (metrics["bad_step"] < 0)
    return {
        "sums": {n: added(metrics["sums"][n], v * images) for n, v in terms.items()},
        "watched": {n: added(metrics["watched"][n], v * images) for n, v in beside.items()},
        "last": {n: v.astype(metrics["last"][n].dtype) for n, v in terms.items()},
        "correct": added(metrics["correct"], correct), "weight": added(metrics["weight"], images),
        "images": metrics["images"] + images,
        "steps": metrics["steps"] + good, "skipped": metrics["skipped"] + ~good,
        "bad_step": jnp.where(first_bad, step, metrics["bad_step"]),
        "bad": {n: jnp.where(first_bad, ~f, metrics["bad"][n]) for n, f in finite.items()},
    }


def means(metrics: dict) -> dict:
    """{term: its mean over the images of an epoch's finite steps, "top1": percent}; a smaller batch counts less."""
    weight = max(float(metrics["weight"]), 1.0)
    terms = {name: float(value) / weight for name, value in (metrics["sums"] | metrics["watched"]).items()}
    return {**terms, "top1": 100 * float(metrics["correct"]) / weight}


def upgraded(metrics: dict) -> dict:
    """Counters of an older checkpoint in today's form: of before `watched`, which nobody knows of an epoch that has
    begun, and of before `weight`, when sums counted every step once."""
    if "watched" not in metrics:
        unknown = np.float32(np.nan if metrics["images"] else 0)
        metrics = {**metrics, "watched": dict.fromkeys(watched(metrics["sums"]), unknown)}
    if "weight" in metrics:
        return metrics
    size = metrics["images"] / max(metrics["steps"] + metrics["skipped"], 1)
    sums = {name: (value * size).astype(value.dtype) for name, value in metrics["sums"].items()}
    return {**metrics, "sums": sums, "weight": (metrics["steps"] * size).astype(metrics["steps"].dtype)}
