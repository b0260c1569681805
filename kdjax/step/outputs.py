"""Outputs of frozen networks, computed apart from the step and handed to it: which are asked for, in which form.

Only logits and embedding travel, as one row an image; a step that looks at maps runs the network itself.
"""
from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.interpreters import partial_eval

from kdjax.step import objective as objectives
from kdjax.step.context import Batch
from kdjax.step.objective import Objective
from kdjax.step.optimizer import partition
from kdjax.step.state import TrainState, trainable


class Given(NamedTuple):
    """What a compiled step is told besides its state and data. seed: int32, an input so that the seeds of a table share
    one program. rows: {"net view": [steps, B, W] as `rows_of` makes them}."""

    seed: jax.Array | int
    rows: dict = {}


def rows_of(out) -> jax.Array:
    """An Output's logits and embedding side by side, [B, classes + D], in at least float32."""
    rows = jnp.concatenate([out.logits, out.features.embedding], -1)
    return rows.astype(jnp.promote_types(rows.dtype, jnp.float32))


def output_of(rows: jax.Array, like):
    """The inverse of `rows_of`. like: the Output's shapes; what the rows lack is zero, for nobody looks at it."""
    zeros = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), like)
    logits, embedding = jnp.split(rows, [like.logits.shape[-1]], -1)
    return zeros._replace(logits=logits.astype(like.logits.dtype),
                          features=zeros.features._replace(embedding=embedding.astype(like.features.embedding.dtype)))


def shapes(network, variables, images):
    """The shapes of a network's Output."""
    return jax.eval_shape(lambda v, x: network.apply(v, x, train=False)[0], variables, images)


def candidates(objective: Objective) -> list[tuple[str, str]]:
    """The (net, view) whose output depends on the image and the numbered view alone."""
    task = objective.task
    return [(net, view) for net, role in task.nets.items() if role.role == "frozen" and not objective.mode(net)
            for view, how in task.views.items() if getattr(how, "numbering", None) is not None]


def asked(objective: Objective, state: TrainState, frozen: dict, batch: Batch, key) -> dict[tuple[str, str], set[str]]:
    """{(net, view): the taps that the stage's loss or memories depend on}, by tracing it abstractly.

    batch: shapes; its inputs have every view of the task.
    """
    nets = objective.task.nets
    outs = {pair: shapes(nets[pair[0]].network, frozen[pair[0]], batch.inputs[pair[1]])
            for pair in candidates(objective)}
    leaves, form = jax.tree_util.tree_flatten_with_path(outs)

    def look(values, state, frozen, batch, key):
        given = jax.tree.unflatten(form, values)
        draws = objective.task.draw(key, batch)
        trained, fixed = partition(trainable(state), objective.trains)
        total, seen = objectives.loss(objective, trained, fixed, state, frozen, batch._replace(
            draws={**draws, **batch.draws}, outputs=given))
        return total, seen.memory

    jaxpr = jax.make_jaxpr(look)([leaf for _, leaf in leaves], state, frozen, batch, key).jaxpr
    _, used = partial_eval.dce_jaxpr(jaxpr, [True] * len(jaxpr.outvars))
    found: dict[tuple[str, str], set[str]] = {}
    for (path, _), needed in zip(leaves, used):
        if needed:
            found.setdefault(path[0].key, set()).add(next(p.name for p in path[:0:-1] if hasattr(p, "name")))
    return found


def name(pair: tuple[str, str]) -> str:
    """The key of a (net, view) in `Given.rows`."""
    return " ".join(pair)
