"""The compiled step of a run: pick the batch, make its views, update, count. One dispatch, nothing from the host."""
from __future__ import annotations

import jax
import jax.numpy as jnp

from kdjax.step.context import Batch
from kdjax.step.metrics import count
from kdjax.step.objective import Objective
from kdjax.step.random import stream
from kdjax.step.update import apply_gradients, gradients, update

DTYPES = {"float32": jnp.float32, "bfloat16": jnp.bfloat16, "float64": jnp.float64}


def pick(objective: Objective, seed, data, order, step, steps_per_epoch: int, purpose: str, place):
    """(Batch, key) of one step: its images seen in the task's views. order: [steps, B], or [steps, B / share] under
    pmap, where every replica draws for the whole batch and keeps its own part."""
    row = order[jnp.minimum(step % steps_per_epoch, order.shape[0] - 1)]
    index, share = place.spread(row), place.replicas_of_pmap
    view_key, method_key = jax.random.split(stream(seed, purpose, step))
    raw, inputs, draws = data.get("raw", data["images"])[index], {}, {}
    for number, (name, view) in enumerate(objective.task.views.items()):
        key = view_key if number == 0 else jax.random.fold_in(view_key, number)
        draws[name] = place.own_share(view.draw(key, len(row) * share), len(row))
        inputs[name] = place.spread(view.apply(raw, draws[name]))
    epoch = (step // steps_per_epoch + 1).astype(jnp.float32)
    return Batch(inputs, data["labels"][index], index, epoch, {"views": draws}), method_key


def make(objective: Objective, steps_per_epoch: int, purpose: str, place, replicas: int = 1):
    """step(state, frozen, data, order, wishes) -> (state, tick) for `place.compile`. tick: whether any process
    wishes to stop, in a buffer of its own that the loop may wait for. data: images, labels, and the seed (uint32), an
    input so that runs which differ in nothing else share one compiled program."""
    share, axis = place.replicas_of_pmap, place.axis

    def step(state, frozen, data, order, wishes=False):
        batch, key = pick(objective, data["seed"], data, order, state.step, steps_per_epoch, purpose, place)
        if axis is not None:
            key = jax.random.split(key, share)[jax.lax.axis_index(axis)] if share > 1 else key
            grads, seen = gradients(objective, state, frozen, batch, key, axis)
            new, finite = apply_gradients(objective, state, grads, seen)
            terms, logits = seen.terms, seen.logits
        else:
            new, terms, logits, finite = update(objective, state, frozen, batch, key, replicas, place.replica_mesh)
        correct = jnp.zeros(()) if logits is None else jnp.sum(jnp.argmax(logits, -1) == batch.labels)
        correct = jax.lax.psum(correct, axis) if axis is not None else correct
        metrics = count(state.metrics, terms, correct, len(batch.index) * share, finite, state.step)
        return new._replace(metrics=metrics), jnp.any(wishes)

    return step
