"""The compiled step of a run: pick the batch, augment, update, count. One dispatch, nothing from the host."""
from __future__ import annotations

import jax
import jax.numpy as jnp

from kdjax.data import views as augment
from kdjax.step.state import stream
from kdjax.step.update import Task, apply_gradients, gradients, update

DEVICES = "data"  # the axis of the devices: of the mesh, and of pmap

DTYPES = {"float32": jnp.float32, "bfloat16": jnp.bfloat16, "float64": jnp.float64}


def pick(config, data, mean, std, order, step, steps_per_epoch: int, purpose: str, spread, share: int = 1):
    """The augmented batch of one step, and the step's key. order: [steps, B], or [steps, B / share] under pmap."""
    row = order[jnp.minimum(step % steps_per_epoch, order.shape[0] - 1)]
    index = spread(row)
    key = stream(config.seed, purpose, step)
    draw_key, method_key = jax.random.split(key)
    draws = augment.draw(draw_key, len(row) * share, crop=config.data.crop, flip=config.data.flip)
    if share > 1:  # every replica draws for the whole batch and keeps its own part
        first = jax.lax.axis_index(DEVICES) * len(row)
        draws = jax.tree.map(lambda d: jax.lax.dynamic_slice_in_dim(d, first, len(row)), draws)
    images = augment.apply(data["images"][index], draws, crop=config.data.crop, padding=config.data.padding)
    images = spread(augment.normalize(images, mean, std, DTYPES[config.train.dtype]))
    epoch = (step // steps_per_epoch + 1).astype(jnp.float32)
    return {"images": images, "labels": data["labels"][index], "index": index, "epoch": epoch}, method_key


def no_metrics(names) -> dict:
    """Counters at the start of an epoch; names: the loss terms."""
    zero = lambda: jnp.zeros(())
    return {"sums": {n: zero() for n in names}, "last": {n: zero() for n in names}, "correct": zero(), "images": zero(),
            "steps": zero(), "skipped": zero(), "bad_step": -jnp.ones((), jnp.int32),
            "bad": {n: jnp.zeros((), bool) for n in [*names, "gradient"]}}


def count(metrics: dict, terms: dict, correct, images: int, finite: dict, step) -> dict:
    """Counters after one more step. The first step with something not finite is remembered with the guilty terms."""
    good = jnp.all(jnp.stack(list(finite.values())))
    keep = lambda value, sum_: jnp.where(good, value.astype(sum_.dtype), 0)
    first_bad = ~good & (metrics["bad_step"] < 0)
    return {
        "sums": {n: metrics["sums"][n] + keep(v, metrics["sums"][n]) for n, v in terms.items()},
        "last": {n: v.astype(metrics["last"][n].dtype) for n, v in terms.items()},
        "correct": metrics["correct"] + correct, "images": metrics["images"] + images,
        "steps": metrics["steps"] + good, "skipped": metrics["skipped"] + ~good,
        "bad_step": jnp.where(first_bad, step, metrics["bad_step"]),
        "bad": {n: jnp.where(first_bad, ~f, metrics["bad"][n]) for n, f in finite.items()},
    }


def make(task: Task, config, mean, std, steps_per_epoch: int, purpose: str, place):
    """step(state, teachers, data, order, wishes) -> (state, tick) for `place.compile`. tick: whether any process
    wishes to stop, in a buffer of its own that the loop may wait for."""
    share = place.replicas_of_pmap

    def step(state, teachers, data, order, wishes=False):
        batch, key = pick(config, data, mean, std, order, state["step"], steps_per_epoch, purpose, place.spread, share)
        if place.mode == "pmap":
            key = jax.random.split(key, share)[jax.lax.axis_index(DEVICES)] if share > 1 else key
            grads, terms, stats, memory, logits = gradients(task, state, teachers, batch, key, DEVICES)
            new, finite = apply_gradients(task, state, grads, terms, stats, memory)
        else:
            new, terms, logits, finite = update(task, state, teachers, batch, key, config.replicas, place.replica_mesh)
        correct = jnp.sum(jnp.argmax(logits, -1) == batch["labels"])
        correct = jax.lax.psum(correct, DEVICES) if place.mode == "pmap" else correct
        metrics = count(state["metrics"], terms, correct, len(batch["labels"]) * share, finite, state["step"])
        return {**new, "metrics": metrics}, jnp.any(wishes)

    return step
