"""What a step's losses may look at: the batch, the forward passes that all share, each method's adapters and draws."""
from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from kdjax.methods.base import Adapt
from kdjax.step.nets import Net


class Batch(NamedTuple):
    """What a step is given.

    inputs: {"x": [B, H, W, C] float, and whatever further views the task names}. labels [B] int. index [B] int:
    positions in the training set. epoch: float32 scalar, from 1. draws: {method, or "views": every random quantity of
    the step}. outputs: {(net, view): Output} that were computed elsewhere, such as a cached teacher's. weights: {term:
    its weight in the sum}, in place of the task's own number.
    """

    inputs: Mapping[str, jax.Array]
    labels: jax.Array | None = None
    index: jax.Array | None = None
    epoch: jax.Array | None = None
    draws: Mapping[str, Any] = {}
    outputs: Mapping[tuple[str, str], Any] = {}
    weights: Mapping[str, jax.Array] = {}


class Passes:
    """The forward passes of one step: one for each (net, view), shared by all who ask.

    stats: the running statistics of every network, advanced in the order of the calls. ensembles: {net: (members,
    temperature)}: that net's logits are those whose softened probabilities are the mean of its members'.
    """

    def __init__(self, nets: Mapping[str, Net], variables: Mapping[str, Any], batch: Batch,
                 mode: Callable[[str], bool | str], ensembles: Mapping[str, tuple] | None = None):
        self.nets, self.mode, self.ensembles = nets, mode, ensembles or {}
        self.variables, self.inputs, self.how = variables, dict(batch.inputs), {}
        self.stats = {name: v["batch_stats"] for name, v in variables.items()}
        self.made = {(net, view, None): out for (net, view), out in batch.outputs.items()}

    def __call__(self, net: str, view: str = "x", train: bool | None = None):
        """The Output of a network on a view. train: a mode other than the stage's, for a look that must not count."""
        members, temperature = self.ensembles.get(net, ((net,), 1.0))
        outs = [self.alone(name, view, train) for name in members]
        return outs[0] if len(outs) == 1 else _mean(outs, temperature)

    def alone(self, net: str, view: str, train: bool | None):
        """`__call__` of one network."""
        if (net, view, train) not in self.made:
            self.made[net, view, train] = self._run(net, view, self.mode(net) if train is None else train)
        return self.made[net, view, train]

    def _run(self, net: str, view: str, train: bool | str):
        role = self.nets[net].role
        variables = {"params": self.variables[net]["params"], "batch_stats": self.stats[net]}
        out, stats = self.nets[net].network.apply(variables, self.inputs[view], train=train, **self.how.get(view, {}))
        if train and role != "frozen":
            self.stats[net] = stats
        return out if role == "trained" else jax.lax.stop_gradient(out)

    def parameters(self, net: str) -> Mapping[str, Any]:
        """A network's parameters; frozen unless it is trained."""
        found = self.variables[net]["params"]
        return found if self.nets[net].role == "trained" else jax.lax.stop_gradient(found)

    def shows(self, view: str) -> bool:
        """Whether there is such a view in this step."""
        return view in self.inputs

    def show(self, view: str, images: jax.Array, **how) -> None:
        """Adds a view that is made inside the step. how: further arguments of `apply`, such as `between`."""
        self.inputs[view], self.how[view] = images, how

    def move(self, net: str, params: dict) -> None:
        """Gives a following network other parameters, for the passes to come and for the state after the step."""
        self.variables = {**self.variables, net: {**self.variables[net], "params": jax.lax.stop_gradient(params)}}

    def head(self, net: str) -> Callable | None:
        """embedding [B, D] -> logits, by the network's classifier; frozen unless the network is trained."""
        if net not in self.nets:
            return None
        hold = (lambda v: v) if self.nets[net].role == "trained" else jax.lax.stop_gradient
        return lambda embedding: self.nets[net].network.classify(hold(self.variables[net]), embedding)


@dataclasses.dataclass(frozen=True)
class Context:
    """All that the loss of one method may look at; outputs of networks that are not trained are behind stop_gradient.

    forward(net, view="x") -> Output: one pass a (net, view), shared by all who ask; batch statistics advance in the
    order of the calls. heads(net): that network's classifier, embedding [B, D] -> logits; parameters(net): its nested
    parameters; both frozen unless the network is trained. `of(name)` is the same step as another method sees it. sight:
    which (net, view) a task means by "student" and "teacher", where these are not the networks of that name on the main
    view.
    """

    forward: Callable
    batch: Batch
    adapts: Mapping[str, Adapt]
    heads: Callable[[str], Callable | None]
    name: str = ""
    parameters: Callable[[str], Mapping[str, Any]] | None = None
    sight: Mapping[str, tuple[str, str]] = dataclasses.field(default_factory=dict)

    def of(self, method: str) -> Context:
        """The context of a method."""
        return dataclasses.replace(self, name=method)

    @property
    def student(self):
        """The student's Output on the main view."""
        return self.seen("student")

    @property
    def teacher(self):
        """The teacher's Output on the main view (of several: the first one's features, the mean's logits)."""
        return self.seen("teacher")

    def seen(self, role: str):
        """The Output of "student" or "teacher"; evaluations, which have one view, show it to both."""
        if role not in self.sight:
            return self.forward(role)
        net, view = self.sight[role]
        return self.forward(net, view if self.forward.shows(view) else "x")

    @property
    def teacher_head(self) -> Callable | None:
        """embedding [B, D] -> logits, the teacher's own frozen classifier; None without a teacher."""
        return self.heads("teacher")

    @property
    def adapt(self) -> Adapt:
        """adapt(name, x): this method's adapters."""
        return self.adapts[self.name]

    @property
    def draws(self) -> Mapping[str, Any]:
        """What this method's `draw` returned for the step, or what a test gave."""
        return self.batch.draws.get(self.name, {})

    @property
    def labels(self) -> jax.Array:
        """[B] int."""
        return self.batch.labels

    @property
    def index(self) -> jax.Array:
        """[B] int, positions in the training set."""
        return self.batch.index

    @property
    def epoch(self) -> jax.Array | None:
        """float32 scalar, from 1; None where nobody counts."""
        return self.batch.epoch

    def afresh(self) -> Context:
        """The same step with the adapters' statistics from before it, for a second look that must not count."""
        return dataclasses.replace(self, adapts={name: adapt.afresh() for name, adapt in self.adapts.items()})


def _mean(outs: list, temperature: float):
    """The first Output with the logits whose softened probabilities are the mean of all."""
    probs = [jax.nn.log_softmax(o.logits / temperature) for o in outs]
    mean = jax.nn.logsumexp(jnp.stack(probs), axis=0) - jnp.log(len(probs))
    return outs[0]._replace(logits=jax.lax.stop_gradient(temperature * mean))
