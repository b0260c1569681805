"""What one stage of a run dispatches: its compiled step, its state on the devices, the batches of an epoch."""
from __future__ import annotations

import numpy as np

from kdjax.data import order
from kdjax.device.placement import Placement
from kdjax.run.ahead import Ahead
from kdjax.run.filler import Tell, silently
from kdjax.run.foresight import Foresight
from kdjax.run.held import Held
from kdjax.run.plan import Plan
from kdjax.step import device_step
from kdjax.step.metrics import no_metrics
from kdjax.step.state import TrainState


class Orders:
    """One epoch's batches as index matrices on the devices: the full ones, and the last smaller one when it is kept."""

    def __init__(self, config, n: int, epoch: int, place: Placement, purpose: str):
        seed, size = order.stage_seed(config.seed, purpose), config.data.batch_size
        full = order.epoch_order(seed, epoch, n, size)
        tail = np.zeros(0) if config.data.drop_last else order.epoch_tail(seed, epoch, n, size)
        self.full = len(full)
        self.rows = [rows for rows in (full, tail[None]) if rows.size]
        self.held = [place.put_order(rows) for rows in self.rows]

    def holding(self, row: int) -> int:
        """Which of the matrices holds the epoch's batch `row`."""
        return 0 if row < self.full else len(self.held) - 1


class Stage:
    """A stage on the devices. state: where it starts, on the host. step counts the steps that were dispatched."""

    def __init__(self, config, p: Plan, held: Held, place: Placement, state: TrainState):
        self.config, self.plan, self.held, self.place = config, p, held, place
        self.terms, self.step = list(state.metrics["sums"]), int(np.asarray(state.step))
        self.state = place.put_state(state)
        self.foresight = Foresight(config, p, held, place, state)
        self.ahead = Ahead(config, p, held, place, state, self.foresight.pairs)
        step = device_step.make(p.objective, p.steps_per_epoch, p.name, place, config.replicas)
        self.compiled, self.calls = place.compile(step), config.train.steps_per_call
        self.several = place.compile(device_step.repeated(step, self.calls))

    def begin_epoch(self, epoch: int, fresh: bool, tell: Tell = silently) -> None:
        """The epoch's batches; fresh: its first step is next, so its counters start anew. tell: of `Filler.fill`."""
        self.orders = Orders(self.config, len(self.held.data.train.labels), epoch, self.place, self.plan.name)
        begun = self.step - (epoch - 1) * self.plan.steps_per_epoch
        self.given, self.epoch = self.foresight.given(self.orders.rows, epoch, begun, tell), epoch
        if fresh:
            self.state = self.state._replace(metrics=self.place.put_state(no_metrics(self.terms)))

    def dispatch(self, ballot):
        """The next step, or the next `train.steps_per_call` where so many full batches are left, sent to the devices;
        returns its tick, which may be waited for."""
        row = self.step % self.plan.steps_per_epoch
        part, count = self.orders.holding(row), self._together(row)
        order, given = self.orders.held[part], self.given[part]
        if row < self.orders.full:
            given = self.ahead.given(given, order, row, self.epoch)
        run = self.compiled if count == 1 else self.several
        self.state, tick = run(self.state, self.held.frozen, self.held.train, order, ballot, given)
        self.step += count
        return tick

    def _together(self, row: int) -> int:
        """How many steps the call that begins at an epoch's batch `row` has: the same wherever a run was continued."""
        fits = row + self.calls <= self.orders.full and self.step + self.calls <= self.plan.steps
        return self.calls if fits and row % self.calls == 0 else 1
