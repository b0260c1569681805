"""A look at the networks as they are now, over a whole split: what evaluations and `Method.at_epoch` may ask."""
from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from kdjax.data import order, views
from kdjax.run import accuracy
from kdjax.run.held import Held
from kdjax.step import objective
from kdjax.step.context import Batch
from kdjax.step.device_step import DTYPES
from kdjax.step.state import TrainState


class Observatory:
    """The compiled looks of a task; made once a run, so that nothing is compiled twice."""

    def __init__(self, task, held: Held, config):
        self.task, self.held, self.place, self.config = task, held, held.place, config
        self.dtype = jnp.promote_types(DTYPES[config.train.dtype], jnp.float32)
        self.scorer, self.tap = functools.cache(self._scorer), functools.cache(self._tap)

    def look(self, state: TrainState, epoch: int = 0, key=None, check: Callable = lambda: None) -> Look:
        """At a state in the form of the compiled step."""
        return Look(self, self.place.one(objective.evaluated(state)), epoch, key, check)

    def alone(self, net, variables, split: str = "test") -> dict:
        """`Look.accuracy` of one network by itself. variables: in the form of `Held.seen`."""
        data = self.held.data
        step = accuracy.scorer(lambda v, x: net.apply(v, x, train=False)[0].logits, data.mean, data.std, self.dtype)
        return self.over(step, variables, split)

    def over(self, step, variables, split: str, check: Callable = lambda: None) -> dict:
        """`accuracy.score` on all devices."""
        data = self.held.split(split)
        size = self.place.eval_batch(self.config.data.eval_batch_size, len(data["labels"]))
        return accuracy.score(step, variables, data, size, lambda x: self.place.put(x, self.place.stacked), check)

    def _context(self, variables, images):
        state, frozen = variables
        return objective.look(self.task, state, frozen, Batch({"x": images}))[0]

    def _scorer(self, logits: Callable):
        data = self.held.data
        return accuracy.scorer(lambda v, x: logits(self._context(v, x)), data.mean, data.std, self.dtype)

    def _tap(self, net: str, tap: str):
        data = self.held.data

        @jax.jit
        def step(variables, images, index):
            seen = views.normalize(images[index], data.mean, data.std, self.dtype)
            out = self._context(variables, seen).forward(net)
            return out.logits if tap == "logits" else getattr(out.features, tap)
        return step


@dataclasses.dataclass(frozen=True)
class Look:
    """One state, seen in evaluation mode. epoch: from 1; the epoch that begins, or that has ended. key: a PRNG key of
    this epoch. check(): called between batches, raises when the run has been asked to stop."""

    observatory: Observatory
    state: TrainState
    epoch: int
    key: jax.Array | None
    check: Callable

    def accuracy(self, logits: Callable, split: str = "test") -> dict:
        """{"top1", "top5" in percent, "loss", "count"} of logits(ctx) on a split."""
        look = self.observatory
        return look.over(look.scorer(logits), (self.state, look.held.seen), split, self.check)

    def features(self, net: str, tap: str = "embedding", split: str = "train") -> np.ndarray:
        """[N, ...] of a whole split in its own order, under the test transform. tap: "logits", "embedding", "pre_pool".
        """
        place, data = self.observatory.place, self.observatory.held.split(split)
        n, step = len(data["labels"]), self.observatory.tap(net, tap)
        size, rows = place.eval_batch(self.observatory.config.data.eval_batch_size, n), []
        for index, _ in zip(*order.eval_batches(n, size)):
            rows.append(step((self.state, self.observatory.held.seen), data["images"],
                             place.put(index, place.stacked)))
            self.check()
        return np.concatenate([place.host(row) for row in rows])[:n]

    def labels(self, split: str = "train") -> np.ndarray:
        """[N] int32 of a split."""
        return getattr(self.observatory.held.data, split).labels
