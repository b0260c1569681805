"""The compiled step of a run: pick the batch, make its views, update, count. One dispatch, nothing from the host."""
from __future__ import annotations

import jax
import jax.numpy as jnp

from kdjax.step.context import Batch
from kdjax.step.metrics import count
from kdjax.step.objective import Objective
from kdjax.step.outputs import Given, candidates, name, output_of, output_with, shapes
from kdjax.step.random import stream
from kdjax.step.update import apply_gradients, gradients, replicated_gradients

DTYPES = {"float32": jnp.float32, "bfloat16": jnp.bfloat16, "float64": jnp.float64}


def view_draws(task, seed, purpose: str, step, images: int) -> dict:
    """{view: all that is random in how a step sees its batch}, for the whole batch of `images`."""
    key = jax.random.split(stream(seed, purpose, step))[0]
    return {view: how.draw(key if number == 0 else jax.random.fold_in(key, number), images)
            for number, (view, how) in enumerate(task.views.items())}


def pick(objective: Objective, given: Given, frozen, data, order, step, steps_per_epoch: int, purpose: str, place):
    """(Batch, key) of one step: its images seen in the task's views, and the outputs that were computed elsewhere.
    order: [steps, B], or [steps, B / share] under pmap, where every replica draws for the whole batch and keeps its own
    part."""
    task, at = objective.task, at_row(step, steps_per_epoch, order)
    index, share = place.spread(order[at]), place.replicas_of_pmap
    drawn = view_draws(task, given.seed, purpose, step, len(index) * share)
    raw = data.get("raw", data["images"])[index]
    draws = {view: place.own_share(d, len(index)) for view, d in drawn.items()}
    inputs = {view: place.spread(how.apply(raw, draws[view])) for view, how in task.views.items()}
    made = {(net, view): handed(name((net, view)), given, at, place,
                                shapes(task.nets[net].network, frozen[net], inputs[view]))
            for net, view in candidates(objective) if name((net, view)) in {**given.rows, **given.window}}
    epoch = (step // steps_per_epoch + 1).astype(jnp.float32)
    method_key = jax.random.split(stream(given.seed, purpose, step))[1]
    return Batch(inputs, data["labels"][index], index, epoch, {"views": draws}, made, given.weights), method_key


def at_row(step, steps_per_epoch: int, order):
    """The row of an epoch's order that a step takes; the only one of its tail."""
    return jnp.minimum(step % steps_per_epoch, order.shape[0] - 1)


def handed(pair: str, given: Given, at, place, like):
    """The Output that was computed elsewhere for row `at` of the order."""
    if pair in given.rows:
        return output_of(place.spread(given.rows[pair][at]), like)
    leaves = {number: place.spread(kept[at % len(kept)]) for number, kept in given.window[pair].items()}
    return output_with(leaves, like)


def make(objective: Objective, steps_per_epoch: int, purpose: str, place, replicas: int = 1):
    """step(state, frozen, data, order, wishes, given) -> (state, tick) for `place.compile`. tick: whether any process
    wishes to stop, in a buffer of its own that the loop may wait for."""
    share, axis = place.replicas_of_pmap, place.axis

    def step(state, frozen, data, order, wishes, given):
        batch, key = pick(objective, given, frozen, data, order, state.step, steps_per_epoch, purpose, place)
        if axis is not None:
            key = jax.random.split(key, share)[jax.lax.axis_index(axis)] if share > 1 else key
            grads, seen = gradients(objective, state, frozen, batch, key, axis)
        else:
            grads, seen = replicated_gradients(objective, state, frozen, batch, key, replicas, place.replica_mesh)
        rate = None if given.rates is None else given.rates[at_row(state.step, steps_per_epoch, order)]
        new, finite, norm = apply_gradients(objective, state, grads, seen, rate)
        correct = jnp.zeros(()) if seen.logits is None else jnp.sum(jnp.argmax(seen.logits, -1) == batch.labels)
        correct = jax.lax.psum(correct, axis) if axis is not None else correct
        beside = {f"weighted_{name}": value for name, value in seen.weighted.items()} | {"gradient_norm": norm}
        metrics = count(state.metrics, seen.terms, correct, len(batch.index) * share, finite, state.step, beside)
        return new._replace(metrics=metrics), jnp.any(wishes)

    return step


def repeated(step, count: int):
    """`step`, `count` times in one call: a loop on an accelerator, written out on a CPU."""
    if count == 1:
        return step
    unroll = count if jax.default_backend() == "cpu" else 1

    def several(state, frozen, data, order, wishes, given):
        advance = lambda state, _: (step(state, frozen, data, order, wishes, given)[0], None)
        return jax.lax.scan(advance, state, length=count, unroll=unroll)[0], jnp.any(wishes)

    return several
