"""A run's evaluations: its teacher before the first step, then whatever the task measures, each at its own cadence."""
from __future__ import annotations

import jax
import numpy as np

from kdjax.errors import UserError
from kdjax.methods.base import Method
from kdjax.run.context import Run
from kdjax.run.look import Observatory
from kdjax.run.text import accuracies
from kdjax.step.random import stream
from kdjax.step.state import TrainState


class Evaluations:
    """Everything that is measured of a run's states."""

    def __init__(self, run: Run):
        self.run, self.observatory = run, Observatory(run.task, run.held, run.config)
        self.wanted = {name: e for name, e in run.task.evaluations().items()
                       if name != "valid" or run.data.valid is not None}

    def teacher(self) -> dict | None:
        """The first teacher on the test set; refuses one that is no better than chance."""
        run, data = self.run, self.run.data
        if "teacher" not in run.frozen:
            return None
        net = run.task.nets["teacher"].network
        name, got = net.name, self.observatory.alone(net, run.held.seen["teacher"])
        run.log.say(f"teacher {name}: {accuracies(got, data.num_classes)}")
        least = run.config.teacher.min_accuracy
        least = 200 / data.num_classes if least is None else least
        if got["top1"] < least:
            raise UserError(f"teacher {name} reaches {got['top1']:.2f}% on {data.name}, below "
                            f"config.teacher.min_accuracy={least:g}; check its checkpoint, config.data.dataset and "
                            f"config.data.stats")
        return got

    def after(self, state: TrainState, epoch: int, last: bool, check) -> dict:
        """{"test_top1": ...}: what is due after an epoch. state: in the form of the compiled step."""
        look, row = self.observatory.look(state, epoch, self.key("evaluation", epoch), check), {}
        for name, evaluation in self.wanted.items():
            if last or epoch % evaluation.every == 0:
                row |= {f"{name}_{k}": v for k, v in evaluation.measure(look).items() if k != "count"}
        return row

    def before(self, state: TrainState, epoch: int, check) -> TrainState:
        """The state with the memories of methods that look at the whole training set before an epoch."""
        asked = {n: m for n, m in self.run.task.methods.items() if type(m).at_epoch is not Method.at_epoch}
        if not asked:
            return state
        place, memory = self.run.place, self.run.place.get(state.memory)
        for name, method in asked.items():
            look = self.observatory.look(state, epoch, self.key(f"epoch {name}", epoch), check)
            memory[name] = jax.tree.map(_like, method.at_epoch(look, memory[name]), memory[name])
        return state._replace(memory=place.put_state(memory))

    def key(self, purpose: str, epoch: int) -> jax.Array:
        """The PRNG key of an epoch's look."""
        return stream(self.run.config.seed, purpose, epoch)


def _like(new, old) -> np.ndarray:
    if np.shape(new) != np.shape(old):
        raise ValueError(f"at_epoch changed the shape of a memory from {np.shape(old)} to {np.shape(new)}")
    return np.asarray(new, old.dtype)
