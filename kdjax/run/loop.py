"""The loop of one stage: dispatch steps, report, evaluate, save, stop when asked."""
from __future__ import annotations

import time
from collections import deque

import numpy as np

from kdjax.device import processes
from kdjax.errors import Stopped
from kdjax.run import chance, log
from kdjax.run.context import Run
from kdjax.run.evaluations import Evaluations
from kdjax.run.filler import Tell
from kdjax.run.plan import Plan, stage_state
from kdjax.run.resume import plain
from kdjax.run.screen import Progress
from kdjax.run.stage import Stage
from kdjax.run.stopping import check_state, diverged
from kdjax.run.text import clock, told
from kdjax.step.metrics import means
from kdjax.step.state import TrainState, from_tree, to_tree

WAITING = 20  # seconds between two lines while the teacher's outputs are computed
IN_FLIGHT = 4  # steps dispatched ahead of the device: enough to hide the host, few enough to stop politely


class StageLoop:
    """Stage `number` of a run; `main` (the last stage) is evaluated after every epoch."""

    def __init__(self, run: Run, evaluations: Evaluations, number: int, p: Plan, main: bool):
        self.run, self.number, self.plan, self.config, self.place = run, number, p, run.config, run.place
        self.evaluations, self.main, self.skips = evaluations, main, run.config.train.on_nan == "skip"
        self.speed = log.Speed(run.history["images"], run.history["speed_seconds"])
        self.vote, self.hinted = processes.Vote(self.place, run.stop), False

    def train(self, saved: dict | None, before: TrainState | None) -> TrainState:
        """All epochs that are left; saved: a checkpoint of this stage, before: the state after the last one. Returns
        the final state as host arrays."""
        run, p = self.run, self.plan
        start = stage_state(self.config, run.task, p, run.data, run.frozen, None if saved is not None else before)
        self.stage = Stage(self.config, p, run.held, self.place,
                           start if saved is None else from_tree(start, saved))
        for epoch in range(run.history["epochs"].get(p.name, 0) + 1, p.epochs + 1):
            self.train_epoch(epoch)
            if epoch == p.epochs or epoch % self.config.checkpoint.every_epochs == 0:
                self.save(epoch)
        if said := self.stage.foresight.said():
            run.log.say(f"{p.name}: {said}")
        return self.place.get(self.stage.state)

    def train_epoch(self, epoch: int) -> None:
        """The epoch's steps from wherever it stands, and its end."""
        p, stage, ticks, began, opened = self.plan, self.stage, deque(), time.perf_counter(), self.stage.step
        fresh = stage.step == (epoch - 1) * p.steps_per_epoch
        stage.begin_epoch(epoch, fresh, self.waiting(epoch))
        if fresh and self.main:
            stage.state = self.evaluations.before(stage.state, epoch, lambda: self.pause(epoch))
        while stage.step < min(epoch * p.steps_per_epoch, p.steps):
            before, every = stage.step, self.config.log.every_steps
            ticks.append(stage.dispatch(self.vote.ballot()))
            if len(ticks) > IN_FLIGHT:
                self.vote.hear(ticks.popleft())
            now = self.vote.alone and self.run.log.screen.due()
            logged = stage.step // every > before // every
            if logged or before == opened or now:
                self.report(epoch, logged)
            self.pause(epoch)
        while ticks:  # an epoch shorter than the queue must not pass over a vote
            self.vote.hear(ticks.popleft())
        self.close_epoch(epoch, time.perf_counter() - began)

    def waiting(self, epoch: int) -> Tell:
        """What to do while the teacher's outputs for an epoch are computed: say how far they are, stop when asked."""
        said = time.monotonic()

        def tell(done: int, wanted: int, seconds: float) -> None:
            nonlocal said
            self.pause(epoch)
            if time.monotonic() - said > WAITING:
                said = time.monotonic()
                self.run.log.say(f"{self.plan.name} epoch {epoch}/{self.plan.epochs}: the teacher's outputs, {done} of "
                                 f"{wanted} computed, {clock(seconds / done * (wanted - done))} left")
        return tell

    def report(self, epoch: int, logged: bool) -> None:
        """Fetches the counters: progress for the person, a line for the file, and the end of a run that went wrong."""
        p, step, m = self.plan, self.stage.step, self.counters()
        terms = {k: float(v) for k, v in m["last"].items()}
        rate = self.speed.rate
        left = (p.steps - step) * self.config.data.batch_size / rate if rate else 0
        top1 = means(m)["top1"] if self.run.task.labelled else None
        self.run.log.screen.progress(Progress(p.name, epoch, p.epochs, step, p.steps, terms, top1, rate, left), logged)
        if logged:
            self.run.log.record("step", p.offset + step, {"stage": p.name, "epoch": epoch, **terms})

    def counters(self, over: bool = False) -> dict:
        """The epoch's counters so far (over: all of them), waited for and healthy."""
        m = self.place.get(self.stage.state.metrics)
        self.healthy(m, over)
        self.speed.mark(int(m["images"]))
        return m

    def healthy(self, m: dict, over: bool = False) -> None:
        """Raises Diverged when a step went wrong; with on_nan=skip only when all of a finished epoch did."""
        strict = not self.skips or (over and float(m["steps"]) == 0)
        if strict and int(m["bad_step"]) >= 0:
            raise diverged(m, self.plan.name, self.plan.offset, self.run.checkpoints.latest_step(), self.skips)

    def close_epoch(self, epoch: int, seconds: float) -> None:
        """Evaluates, records and remembers one finished epoch."""
        p, m = self.plan, self.counters(over=True)
        self.speed.pause()
        seen = {f"train_{k}": v for k, v in means(m).items() if k != "top1" or self.run.task.labelled}
        row = {"stage": p.name, "epoch": epoch, **seen, "skipped": int(m["skipped"])}
        if self.main:
            row |= self.evaluations.after(self.stage.state, epoch, epoch == p.epochs, lambda: self.pause(epoch))
        row |= {"seconds": round(seconds, 3), "images_per_second": round(self.speed.rate, 1),
                "lr": float(p.rate(np.int32(self.stage.step - 1)))}
        self.run.log.record("epoch", p.offset + self.stage.step, row)
        self.remember(row)
        self.run.log.screen.epoch(told(row, self.run.data.num_classes), p.epochs)
        self.hint(row)

    def hint(self, row: dict) -> None:
        """Says once, while there are epochs left, that the student learns nothing."""
        if "test_top1" in row and not self.hinted and row["epoch"] < self.plan.epochs:
            said = chance.hint(row["test_top1"], self.run.data.num_classes, row["epoch"])
            self.hinted = bool(said)
            if said:
                self.run.log.say(said)

    def remember(self, row: dict) -> None:
        """An epoch's record in the history that checkpoints keep."""
        history = self.run.history
        history["epochs"][self.plan.name] = row["epoch"]
        history["skipped"] += row["skipped"]
        history["seconds"] = self.run.seconds
        history["images"], history["speed_seconds"] = self.speed.images, self.speed.seconds
        if self.main and "test_top1" in row:
            history["last"] = row
            if not history["best"] or row["test_top1"] > history["best"]["test_top1"]:
                history["best"] = row

    def pause(self, epoch: int) -> None:
        """Saves and leaves when the run has been asked to stop."""
        if self.vote.stop:
            self.save(epoch)
            raise Stopped(self.vote.name, self.run.folder, self.plan.offset + self.stage.step)

    def save(self, epoch: int) -> None:
        """A checkpoint of the state, unless something in it is not finite."""
        history, checkpoints, p, step = self.run.history, self.run.checkpoints, self.plan, self.stage.step
        meta = {"stage": self.number, "epoch": epoch, "history": history, "config": plain(self.config),
                "fingerprints": self.run.prints}
        held = to_tree(self.place.get(self.stage.state))
        self.healthy(held["metrics"])
        arrays = {k: v for k, v in held.items() if k != "metrics"}
        check_state(arrays, p.offset + step, p.name, checkpoints.latest_step(), self.skips)
        history["seconds"] = self.run.seconds
        checkpoints.save(p.offset + step, held, meta, history["best"] and history["best"]["test_top1"])
