"""The loop of one stage: dispatch steps, report, evaluate, save, stop when asked."""
from __future__ import annotations

import time
from collections import deque

import numpy as np

from kdjax.device import processes
from kdjax.run import log as run_log
from kdjax.run import setup
from kdjax.run.evaluations import scorer
from kdjax.run.plan import Orders, Plan, stage_state
from kdjax.run.stopping import Stopped, check_state, diverged
from kdjax.step import device_step as epoch_step
from kdjax.step.state import pure, restored

IN_FLIGHT = 4  # steps dispatched ahead of the device: enough to hide the host, few enough to stop politely


class StageLoop:
    """Stage `number` of a train.Run; `main` (the last stage) is evaluated after every epoch."""

    def __init__(self, this, number: int, p: Plan, main: bool):
        self.run, self.number, self.plan, self.config, self.place = this, number, p, this.config, this.place
        self.score = scorer(this, p.task) if main else None
        self.speed = run_log.Speed(this.history["images"], this.history["speed_seconds"])
        self.vote = processes.Vote(this.place, this.stop)

    def train(self, saved: dict | None, before: dict | None) -> dict:
        """All epochs that are left; saved: a checkpoint of this stage, before: the state after the last one. Returns
        the final state as host arrays."""
        self.begin(saved, before)
        for epoch in range(self.run.history["epochs"].get(self.plan.name, 0) + 1, self.plan.epochs + 1):
            self.train_epoch(epoch)
            if epoch == self.plan.epochs or epoch % self.config.checkpoint.every_epochs == 0:
                self.save(epoch)
        return pure(self.place.get(self.state))

    def begin(self, saved: dict | None, before: dict | None) -> None:
        """Everything the steps touch goes to the devices, once."""
        this, p, place = self.run, self.plan, self.place
        template = stage_state(this, p, None if saved is not None else before)
        self.state = place.put_state(restored(template, saved) if saved is not None else template)
        self.step = int(np.asarray(saved["step"])) if saved is not None else 0
        self.terms = list(template["metrics"]["sums"])
        self.data = place.put_state({"images": this.data.train.images, "labels": this.data.train.labels})
        self.teachers = place.put_state(this.teacher_variables)
        self.compiled = place.compile(epoch_step.make(
            p.task, self.config, this.data.mean, this.data.std, p.steps_per_epoch, p.name, place))

    def train_epoch(self, epoch: int) -> None:
        """The epoch's steps from wherever it stands, and its end."""
        p, ticks, began = self.plan, deque(), time.perf_counter()
        orders = Orders(self.config, len(self.run.data.train.labels), epoch, self.place, p.name)
        if self.step == (epoch - 1) * p.steps_per_epoch:
            self.state = {**self.state, "metrics": self.place.put_state(epoch_step.no_metrics(self.terms))}
        while self.step < min(epoch * p.steps_per_epoch, p.steps):
            row = self.step % p.steps_per_epoch
            ticks.append(self.dispatch(orders.holding(row)))
            if len(ticks) > IN_FLIGHT:
                self.vote.hear(ticks.popleft())
            if self.step % self.config.log.every_steps == 0 or row == 0 or (self.vote.alone and self.run.log.due()):
                self.report(epoch)
            self.pause(epoch)
        while ticks:  # an epoch shorter than the queue must not pass over a vote
            self.vote.hear(ticks.popleft())
        self.close_epoch(epoch, time.perf_counter() - began)

    def dispatch(self, order):
        """One step, sent to the devices; returns its tick, which may be waited for."""
        self.state, tick = self.compiled(self.state, self.teachers, self.data, order, self.vote.ballot())
        self.step += 1
        return tick

    def report(self, epoch: int) -> None:
        """Fetches the counters: progress for the person, a line for the file, and the end of a run that went wrong."""
        p, log, m = self.plan, self.run.log, self.counters()
        terms = {k: float(v) for k, v in m["last"].items()}
        rate = self.speed.rate
        left = (p.steps - self.step) * self.config.data.batch_size / rate if rate else 0
        text = (f"{p.name} epoch {epoch}/{p.epochs} step {self.step}/{p.steps}  {run_log.named(terms)}  "
                f"{rate:.0f} images/s  {run_log.clock(left)} left")
        log.progress(text)
        if self.step % self.config.log.every_steps == 0:
            log.record("step", p.offset + self.step, {"stage": p.name, "epoch": epoch, **terms})
            if not log.live:
                log.say(text)

    def counters(self, over: bool = False) -> dict:
        """The epoch's counters so far (over: all of them), waited for and healthy."""
        m = self.place.get(self.state["metrics"])
        self.healthy(m, over)
        self.speed.mark(int(m["images"]))
        return m

    def healthy(self, m: dict, over: bool = False) -> None:
        """Raises Diverged when a step went wrong; with on_nan=skip only when all of a finished epoch did."""
        strict = self.config.train.on_nan != "skip" or (over and float(m["steps"]) == 0)
        if strict and int(m["bad_step"]) >= 0:
            raise diverged(m, self.plan.name, self.plan.offset, self.run.checkpoints.latest_step())

    def close_epoch(self, epoch: int, seconds: float) -> None:
        """Evaluates, records and remembers one finished epoch."""
        p, m = self.plan, self.counters(over=True)
        self.speed.pause()
        steps = max(float(m["steps"]), 1.0)
        row = {"stage": p.name, "epoch": epoch, **{f"train_{k}": float(v) / steps for k, v in m["sums"].items()},
               "train_top1": 100 * float(m["correct"]) / max(float(m["images"]), 1.0), "skipped": int(m["skipped"])}
        if self.score is not None:
            row |= self.score(self.state, lambda: self.pause(epoch))
        row |= {"seconds": round(seconds, 3)}
        self.run.log.record("epoch", p.offset + self.step, row)
        self.remember(row)
        numbers = {k: v for k, v in row.items() if isinstance(v, float)}
        self.run.log.say(f"{p.name} epoch {epoch}/{p.epochs}  {run_log.named(numbers)}")

    def remember(self, row: dict) -> None:
        """An epoch's record in the history that checkpoints keep."""
        history = self.run.history
        history["epochs"][self.plan.name] = row["epoch"]
        history["skipped"] += row["skipped"]
        history["seconds"] += row["seconds"]
        history["images"], history["speed_seconds"] = self.speed.images, self.speed.seconds
        if self.score is not None:
            history["last"] = row
            if not history["best"] or row["test_top1"] > history["best"]["test_top1"]:
                history["best"] = row

    def pause(self, epoch: int) -> None:
        """Saves and leaves when the run has been asked to stop."""
        if self.vote.stop:
            self.save(epoch)
            raise Stopped(self.vote.name, self.run.folder, self.plan.offset + self.step)

    def save(self, epoch: int) -> None:
        """A checkpoint of the state, unless something in it is not finite."""
        history, checkpoints, p = self.run.history, self.run.checkpoints, self.plan
        meta = {"stage": self.number, "epoch": epoch, "history": history, "config": setup.plain(self.config)}
        held = pure(self.place.get(self.state))
        self.healthy(held["metrics"])
        arrays = {k: v for k, v in held.items() if k != "metrics"}
        check_state(arrays, p.offset + self.step, p.name, checkpoints.latest_step())
        checkpoints.save(p.offset + self.step, held, meta, history["best"] and history["best"]["test_top1"])
