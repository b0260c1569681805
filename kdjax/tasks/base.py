"""What a program is: networks by role, views, named loss terms, what follows an update, what is measured and kept."""
from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax

from kdjax.methods.base import Method
from kdjax.step.nets import Net
from kdjax.step.state import ADAPTERS, TrainState


class View(NamedTuple):
    """How training sees raw inputs: draw(key, n) -> all that is random; apply(raw, draws) -> what a network takes.
    numbering: a `kdjax.data.views.Numbering` where the views of an image can be counted, else None."""

    draw: Callable[[jax.Array, int], Any]
    apply: Callable[[jax.Array, Any], jax.Array]
    numbering: Any = None


class Evaluation(NamedTuple):
    """What is measured of a state: measure(look) -> {"top1": ...}, after every `every` epochs and after the last.

    look: a `kdjax.run.look.Look`: accuracy(logits, split), features(net, tap, split), labels(split), epoch, key.
    """

    measure: Callable[[Any], dict[str, float]]
    every: int = 1


class Task:
    """A program, built from the config, its networks and its methods.

    nets: {name: Net}. learner: the net that methods' pre-stages train and whose logits are counted. methods: {name:
    Method}, the owners of adapters and memories. views: {name: View}, the first one "x". ensembles: see `Passes`.
    sight: see `Context`. rates: {net: base learning rate} of those that do not have the run's.
    """

    learner = "student"
    labelled = True  # whether `predict` has logits, whose accuracy is counted while training

    def __init__(self, nets: Mapping[str, Net], methods: Mapping[str, Method], views: Mapping[str, View]):
        self.nets, self.methods, self.views = dict(nets), dict(methods), dict(views)
        self.ensembles: dict[str, tuple] = {}
        self.sight: dict[str, tuple[str, str]] = {}
        self.rates: dict[str, float] = {}

    def trains(self, path: tuple) -> bool:
        """Whether the main stage's optimizer owns the parameter at `path`, in the tree of `state.trainable`."""
        if path[0] == self.learner:
            return not any(path[1:] in method.student_frozen for method in self.methods.values())
        return path[0] != ADAPTERS or path[2] not in self.methods[path[1]].frozen

    def draw(self, key: jax.Array, batch) -> dict[str, dict]:
        """{method: its draws} of a step."""
        return {name: method.draw(jax.random.fold_in(key, i), batch)
                for i, (name, method) in enumerate(self.methods.items())}

    def terms(self, ctx, memory: dict) -> tuple[dict, dict, dict]:
        """(named scalar terms, their weights in the sum that is minimised, {method: memory})."""
        return {}, {}, memory

    def predict(self, ctx) -> jax.Array | None:
        """The logits whose accuracy is the headline; None for a program without labels."""
        return ctx.forward(self.learner).logits

    def after_update(self, state: TrainState) -> TrainState:
        """The state after the optimizer's step: networks that follow others move here."""
        return state

    def evaluations(self) -> dict[str, Evaluation]:
        """What is measured, by name; "test" is the headline. Splits that the data lacks are left out by the run."""
        return {split: Evaluation(lambda look, split=split: look.accuracy(self.predict, split))
                for split in ("test", "valid")}

    def exports(self) -> dict[str, str]:
        """{folder: net}: what a finished run leaves; "student" is there always."""
        return {"student": self.learner}
