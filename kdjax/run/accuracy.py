"""Accuracy of logits over a whole split: top-1, top-5 and the mean cross-entropy."""
from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from kdjax.data import order, views
from kdjax.errors import UserError
from kdjax.step.metrics import tally


def scorer(predict, mean, std, dtype=jnp.float32):
    """A jitted (variables, data, index, weights) -> tally; predict: (variables, images) -> logits."""
    @jax.jit
    def step(variables, data, index, weights):
        images = views.normalize(data["images"][index], mean, std, dtype)
        return tally(predict(variables, images), data["labels"][index], weights)
    return step


def score(step, variables, data, batch_size: int, place=lambda x: x, check=lambda: None) -> dict:
    """Top-1 and top-5 in percent, mean loss and count over a whole split. check() is called between batches."""
    totals = None
    for index, weights in zip(*order.eval_batches(len(data["labels"]), batch_size)):
        got = step(variables, data, place(index), place(weights.astype(np.float32)))
        totals = got if totals is None else jax.tree.map(jnp.add, totals, got)
        check()
    totals = {k: float(np.asarray(v.addressable_data(0))) for k, v in totals.items()}
    n = totals["count"]
    percent = {k: 100 * totals[k] / n for k in ("top1", "top5")}
    return {**percent, "loss": totals["loss"] / n, "count": int(n)}


def evaluate(net, variables, split, mean, std, batch_size: int = 500) -> dict:
    """`score` of one network alone on one split."""
    data = {"images": jnp.asarray(split.images), "labels": jnp.asarray(split.labels)}
    return score(scorer(lambda v, x: net.apply(v, x, train=False)[0].logits, mean, std), variables, data,
                 min(batch_size, len(split.labels)))


def check_classes(net, num_classes: int, dataset: str) -> None:
    """Refuses a network whose classifier does not fit the data."""
    if net.num_classes != num_classes:
        raise UserError(f"{net.name} has {net.num_classes} classes but {dataset} has {num_classes}; "
                        f"use a network trained for {dataset}, or another data set")
