"""The train state: what a step changes, in one typed pytree; and its form in checkpoints."""
from __future__ import annotations

from typing import Any, NamedTuple

import jax
from flax import serialization, traverse_util

from kdjax.errors import UserError
from kdjax.step.metrics import upgraded

ADAPTERS = "adapters"  # in the two trees below they stand beside the networks, so no network may be called this


class TrainState(NamedTuple):
    """Everything that a step changes. A plain pytree, because `jax.jit` passes it in 0.08 ms and `nnx.jit` in 16 ms.

    step: int32 scalar, of this stage. params, stats: {net: nested dict} of the networks that are trained. adapters:
    {method: {adapter: {"params", "batch_stats"}}}. memory: {method: {name: array}}. ema: {net: {"params",
    "batch_stats"}} of the networks that follow another. opt: the optimizer's. metrics: the epoch's counters.
    """

    step: jax.Array | None = None
    params: dict = {}
    stats: dict = {}
    adapters: dict = {}
    memory: dict = {}
    ema: dict = {}
    opt: Any = ()
    metrics: dict = {}

    def net(self, name: str) -> dict:
        """The variables {"params", "batch_stats"} of a network, trained or following."""
        if name in self.ema:
            return self.ema[name]
        return {"params": self.params[name], "batch_stats": self.stats[name]}


def part(adapters: dict, what: str) -> dict:
    """The "params" or the "batch_stats" of all adapters: {method: {adapter: ...}}."""
    return {method: {name: v[what] for name, v in own.items()} for method, own in adapters.items()}


def joined(params: dict, stats: dict) -> dict:
    """The inverse of `part`."""
    return {m: {a: {"params": p, "batch_stats": stats[m][a]} for a, p in own.items()} for m, own in params.items()}


def trainable(state: TrainState) -> dict:
    """One tree of all parameters, {net: ..., "adapters": {method: {adapter: ...}}}: what optimizers see."""
    return {**state.params, ADAPTERS: part(state.adapters, "params")}


def statistics(state: TrainState) -> dict:
    """One tree of all running statistics, in the form of `trainable`."""
    return {**state.stats, ADAPTERS: part(state.adapters, "batch_stats")}


def with_trees(state: TrainState, params: dict, stats: dict) -> TrainState:
    """The state with other parameters and statistics, in the forms of `trainable` and `statistics`."""
    nets = lambda tree: {k: v for k, v in tree.items() if k != ADAPTERS}
    return state._replace(params=nets(params), stats=nets(stats), adapters=joined(params[ADAPTERS], stats[ADAPTERS]))


def to_tree(state: TrainState) -> dict:
    """The state as nested dicts of arrays only (optimizer tuples included): what checkpoints hold."""
    tree = {"params": trainable(state), "batch_stats": statistics(state), "memory": state.memory, "opt": state.opt,
            "step": state.step, "metrics": state.metrics} | ({"ema": state.ema} if state.ema else {})
    return serialization.to_state_dict(tree)


def from_tree(template: TrainState, tree: dict) -> TrainState:
    """The inverse of `to_tree`, in the form of `template`. Raises UserError with the first differences where names,
    shapes or types are not the template's."""
    tree = {**tree, "metrics": upgraded(tree["metrics"])}
    refuse_other(to_tree(template), tree)
    found = serialization.from_state_dict(
        {"params": trainable(template), "batch_stats": statistics(template), "memory": template.memory,
         "opt": template.opt, "step": template.step, "metrics": template.metrics, "ema": template.ema},
        {"ema": {}, **tree})
    state = with_trees(template, found["params"], found["batch_stats"])
    return state._replace(**{k: found[k] for k in ("memory", "opt", "step", "metrics", "ema")})


def refuse_other(wanted: dict, tree: dict) -> None:
    """Raises UserError where a checkpoint's tree of arrays is not of the names, shapes and types that are wanted."""
    here, there = (_specs(side) for side in (wanted, tree))
    other = [name for name in here | there if here.get(name) != there.get(name)]
    if other:
        shown = "; ".join(f"{name} is {there.get(name, 'absent')}, not {here.get(name, 'there')}" for name in other[:3])
        more = f"; and {len(other) - 3} more" if len(other) > 3 else ""
        raise UserError(f"the checkpoint belongs to another kind of run ({shown}{more}); use its own config and "
                        "data, or another --workdir")


def _specs(tree: dict) -> dict[str, str]:
    """{"params/student/conv1/kernel": "float32 [3, 3, 3, 16]"}."""
    flat = traverse_util.flatten_dict(tree, sep="/")
    return {name: f"{leaf.dtype.name} {list(leaf.shape)}" for name, leaf in flat.items()}
