"""One stage of a task as the step sees it: what is trained, in which mode, towards which sum of named terms."""
from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import jax
import optax

from kdjax.methods.base import Adapt, Stage
from kdjax.step.context import Batch, Context, Passes
from kdjax.step.optimizer import combine
from kdjax.step.state import ADAPTERS, TrainState, joined, part


@jax.tree_util.register_static
class Numbers(tuple):
    """(term, weight) pairs that are known while tracing."""


class Seen(NamedTuple):
    """What a look at one batch leaves besides its loss: the state with new statistics and memories, terms (as they are,
    and times their weights), the weights that are plain numbers, logits."""

    terms: dict
    weighted: dict
    numbers: Numbers
    stats: dict
    memory: dict
    ema: dict
    logits: jax.Array | None


@dataclasses.dataclass(frozen=True)
class Objective:
    """Fixed while a stage lasts: the step is traced once for it.

    task: a kdjax.tasks.Task. tx: the stage's optimizer. stage: a pre-stage of the method `stage_method`; None is the
    main stage. skip_bad_steps: see `update.apply_gradients`.
    """

    task: Any
    tx: optax.GradientTransformation
    stage: Stage | None = None
    stage_method: str = ""
    skip_bad_steps: bool = False

    def trains(self, path: tuple) -> bool:
        """Whether the optimizer of this stage owns the parameter at `path` of the tree of `state.trainable`."""
        if self.stage is None:
            return self.task.trains(path)
        if path[0] != ADAPTERS:
            net = self.task.nets[path[0]].network
            return path[0] == self.task.learner and self.stage.student == "trunk" and path[1] in net.trunk
        return path[1] == self.stage_method and path[2] in self.stage.adapters

    def mode(self, net: str) -> bool | str:
        """How a network runs while this stage trains: True (batch statistics), False, or "trunk"."""
        role = self.task.nets[net]
        if self.stage is not None and role.role == "trained":
            return (self.stage.student or False) if net == self.task.learner else False
        return role.statistics == "batch"

    def adapter_mode(self, method: str, adapter: str) -> bool:
        """Whether an adapter's batch norms use the batch's statistics in this stage."""
        if self.stage is None:
            return adapter not in self.task.methods[method].eval_mode
        return method == self.stage_method and adapter in self.stage.adapters


def look(task, state: TrainState, frozen: dict, batch: Batch, mode=lambda net: False,
         adapter_mode=lambda method, adapter: False) -> tuple[Context, Passes]:
    """A Context over a state, and its passes; in evaluation mode unless told otherwise.

    frozen: {net: variables} of the task's frozen networks.
    """
    own = {name: state.net(name) for name in (*state.params, *state.ema)}
    passes = Passes(task.nets, {**frozen, **own}, batch, mode, task.ensembles)
    params, stats = part(state.adapters, "params"), part(state.adapters, "batch_stats")
    adapts = {name: Adapt(method.adapters, params[name], stats[name],
                          lambda adapter, name=name: adapter_mode(name, adapter))
              for name, method in task.methods.items()}
    return Context(passes, batch, adapts, passes.head, parameters=passes.parameters, sight=task.sight), passes


def loss(objective: Objective, trained: dict, fixed: dict, state: TrainState, frozen: dict,
         batch: Batch) -> tuple[jax.Array, Seen]:
    """(total, Seen): what is differentiated by `trained`."""
    task, params = objective.task, combine(trained, fixed)
    now = state._replace(params={k: v for k, v in params.items() if k != ADAPTERS},
                         adapters=joined(params[ADAPTERS], part(state.adapters, "batch_stats")))
    ctx, passes = look(task, now, frozen, batch, objective.mode, objective.adapter_mode)
    if objective.stage is None:
        terms, weights, memory = task.terms(ctx, state.memory)
        logits = task.predict(ctx.afresh())
    else:
        terms = prefixed(objective.stage.name, objective.stage.loss(ctx.of(objective.stage_method)))
        weights, memory, logits = dict.fromkeys(terms, 1.0), state.memory, ctx.forward(task.learner).logits
    numbers = Numbers((name, float(w)) for name, w in weights.items() if isinstance(w, int | float))
    told = {name: batch.weights[name].astype(terms[name].dtype) for name in weights if name in batch.weights}
    weighted = {name: (weights | told)[name] * value for name, value in terms.items()}
    total = sum(weighted.values())
    stats = {**{net: passes.stats[net] for net in state.stats},
             ADAPTERS: {name: adapt.batch_stats for name, adapt in ctx.adapts.items()}}
    ema = {net: {"params": passes.variables[net]["params"], "batch_stats": passes.stats[net]} for net in state.ema}
    return total, Seen({"total": total, **terms}, weighted, numbers, stats, memory, ema, logits)


def predict(task, state: TrainState, frozen: dict, images: jax.Array) -> jax.Array:
    """The evaluated logits of what the task deploys."""
    return task.predict(look(task, state, frozen, Batch({"x": images}))[0])


def evaluated(state: TrainState) -> TrainState:
    """The part of a state that evaluations read."""
    return state._replace(step=None, memory={}, opt=(), metrics={})


def prefixed(name: str, terms: dict) -> dict:
    """Terms under their method's name: `crd`, `itrd.mutual`."""
    name = name.rpartition(":")[2]
    return {name if term == name else f"{name}.{term}": value for term, value in terms.items()}
