"""Outputs of frozen networks, computed apart from the step and handed to it: which are asked for, in which form.

Kept by image and view, logits and embedding travel as one row an image; a window of the next steps may hold any tap.
"""
from __future__ import annotations

from collections import Counter
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
    """What a compiled step is told besides its state and data: what was computed elsewhere, and what differs between
    the runs of a table, which so share one program.

    seed: int32. rows: {"net view": [steps, B, W] as `rows_of` makes them}. window: {"net view": {leaf of the Output, by
    number: [k, B, ...]}} of the k steps around the next one; its windows begin at multiples of k in an epoch. rates:
    [steps], the learning rates of the order's rows; None is the optimizer's own schedule. weights: {term: its weight in
    the sum}, in place of the task's number.
    """

    seed: jax.Array | int
    rows: dict = {}
    window: dict = {}
    rates: jax.Array | None = None
    weights: dict = {}


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


def leaves_of(out, wanted: tuple[int, ...]) -> dict[str, jax.Array]:
    """Some leaves of an Output, by number."""
    leaves = jax.tree.leaves(out)
    return {str(number): leaves[number] for number in wanted}


def output_with(leaves: dict[str, jax.Array], like):
    """The inverse of `leaves_of`, as `output_of`."""
    specs, form = jax.tree.flatten(like)
    return jax.tree.unflatten(form, [leaves[str(i)] if str(i) in leaves else jnp.zeros(s.shape, s.dtype)
                                     for i, s in enumerate(specs)])


def shapes(network, variables, images):
    """The shapes of a network's Output."""
    return jax.eval_shape(lambda v, x: network.apply(v, x, train=False)[0], variables, images)


def candidates(objective: Objective) -> list[tuple[str, str]]:
    """The (net, view) whose output depends on the image and the view alone."""
    return [(net, view) for net, role in objective.task.nets.items()
            if role.role == "frozen" and not objective.mode(net) for view in objective.task.views]


def numbered(objective: Objective) -> list[tuple[str, str]]:
    """Those of the candidates whose views can be counted."""
    views = objective.task.views
    return [pair for pair in candidates(objective) if getattr(views[pair[1]], "numbering", None) is not None]


def asked(objective: Objective, state: TrainState, frozen: dict, batch: Batch, key,
          pairs: list[tuple[str, str]]) -> dict[tuple[str, str], dict[int, str]]:
    """{(net, view) of `pairs`: {leaf of its Output, by number: its tap}} that the stage's loss or memories depend on,
    by tracing it abstractly.

    batch: shapes; its inputs have every view of the task.
    """
    nets = objective.task.nets
    outs = {pair: shapes(nets[pair[0]].network, frozen[pair[0]], batch.inputs[pair[1]]) for pair in pairs}
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
    found: dict[tuple[str, str], dict[int, str]] = {}
    passed: Counter = Counter()
    for (path, _), needed in zip(leaves, used):
        pair = path[0].key
        if needed:
            tap = next(p.name for p in path[:0:-1] if hasattr(p, "name"))
            found.setdefault(pair, {})[passed[pair]] = tap
        passed[pair] += 1
    return found


def name(pair: tuple[str, str]) -> str:
    """The key of a (net, view) in `Given.rows`."""
    return " ".join(pair)
