"""The stages of a run: the pre-stages of its methods, then the main one; what each trains, how long, from where."""
from __future__ import annotations

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from kdjax.data.types import Dataset
from kdjax.errors import UserError
from kdjax.run import teachers
from kdjax.step import ema
from kdjax.step.context import Batch
from kdjax.step.metrics import no_metrics
from kdjax.step.nets import FRESH
from kdjax.step.objective import Objective, Seen
from kdjax.step.optimizer import fresh, own_rates, partition, sgd
from kdjax.step.random import stream
from kdjax.step.schedules import base_lr, learning_rate
from kdjax.step.state import TrainState, trainable
from kdjax.step.update import gradients
from kdjax.tasks import Task


@dataclasses.dataclass
class Plan:
    """One stage's length and objective. offset: steps of the stages before it. rate: the learning rate at its step.
    weights: the numbers among its terms' weights, which `stage_state` finds."""

    name: str
    objective: Objective
    epochs: int
    steps: int
    steps_per_epoch: int
    offset: int
    rate: Callable
    weights: dict[str, float] = dataclasses.field(default_factory=dict)

    def rates(self, first: int, steps: int) -> np.ndarray:
        """The learning rates of the steps from `first` on."""
        return np.broadcast_to(np.asarray(self.rate(np.arange(first, first + steps, dtype=np.int32))), steps)


def plan(config, task: Task, images: int) -> list[Plan]:
    """The pre-stages of the task's methods, then the main one. images: how many there are to train on."""
    per_epoch, skip = steps_per_epoch(config, images), config.train.on_nan == "skip"
    plans, offset = [], 0
    for name, method in task.methods.items():
        for stage in method.stages:
            rate = stage_lr(config, stage)
            steps = config.train.init_epochs * per_epoch
            constant = lambda step, rate=rate: rate
            objective = Objective(task, sgd(config, constant), stage, name, skip)
            plans.append(Plan(f"{name}: {stage.name}", objective, config.train.init_epochs, steps, per_epoch, offset,
                              constant))
            offset += steps
    steps = config.train.steps or config.train.epochs * per_epoch
    rate = learning_rate(config, steps)
    tx = own_rates(sgd(config, rate), task.rates, base_lr(config))
    objective = Objective(task, tx, skip_bad_steps=skip)
    return [*plans, Plan("main", objective, -(-steps // per_epoch), steps, per_epoch, offset, rate)]


def steps_per_epoch(config, images: int) -> int:
    """Batches in an epoch; refuses a batch larger than the training set."""
    full, tail = divmod(images, config.data.batch_size)
    per_epoch = full if config.data.drop_last else full + bool(tail)
    if per_epoch == 0:
        raise UserError(f"config.data.batch_size={config.data.batch_size} is larger than the {images} training images; "
                        f"lower it")
    return per_epoch


def refuse_tail(config, task: Task, data: Dataset, frozen: dict, plans: list[Plan]) -> None:
    """UserError, before any compilation, for a last batch of one image (a replica) that a network cannot train on."""
    images = len(data.train.labels)
    tail = 0 if config.data.drop_last else images % config.data.batch_size
    share = tail // config.replicas
    if share != 1:
        return
    try:
        state = jax.eval_shape(lambda: first_state(config, task, data.train.labels))
        for p in plans:
            seen_abstractly(config, p, state, data, frozen, batch=share)
    except UserError as error:
        reason = str(error).partition(":")[0]  # what follows is a remedy, which does not help here
        raise UserError(f"the last batch of an epoch has {tail} of the {images} images, too few to train on "
                        f"({reason}); set config.data.drop_last=True, or a config.data.batch_size that leaves "
                        "more") from None


def stage_lr(config, stage) -> float:
    """A pre-stage's constant rate: train.init_lr, the stage's own, or the student's base rate."""
    if config.train.init_lr is not None:
        return config.train.init_lr
    return base_lr(config) if stage.lr is None else stage.lr


def first_state(config, task: Task, labels) -> TrainState:
    """Parameters, statistics and memories before the first step. labels: [N] int, the training set's."""
    seed = config.seed
    nets = {name: teachers.first(config, seed, name, net) for name, net in task.nets.items() if net.role == "trained"}
    if not task.nets[task.learner].source:
        for m, method in task.methods.items():
            nets[task.learner]["params"] = method.start(stream(seed, f"start {m}"), nets[task.learner]["params"])
    adapters = {m: {a: f.init(stream(seed, f"adapter {m} {a}")) for a, f in method.adapters.items()}
                for m, method in task.methods.items()}
    labels = jnp.asarray(labels)
    memory = {m: method.init_memory(stream(seed, f"memory {m}"), labels) for m, method in task.methods.items()}
    followers = {name: net.network.init(stream(seed, name)) for name, net in task.nets.items() if net.source == FRESH}
    state = TrainState(params={n: v["params"] for n, v in nets.items()},
                       stats={n: v["batch_stats"] for n, v in nets.items()}, adapters=adapters, memory=memory,
                       ema=followers)
    return ema.start(state, task.nets)


def stage_state(config, task: Task, p: Plan, data: Dataset, frozen: dict, before: TrainState | None) -> TrainState:
    """The state at the start of a stage: the last stage's weights, a fresh optimizer, zero counters."""
    state = before if before is not None else first_state(config, task, data.train.labels)
    opt = fresh(p.objective.tx, partition(trainable(state), p.objective.trains)[0])
    state = state._replace(step=jnp.zeros((), jnp.int32), opt=opt, metrics={})
    seen = seen_abstractly(config, p, state, data, frozen)
    p.weights = dict(seen.numbers)
    return state._replace(metrics=no_metrics(list(seen.terms)))


def seen_abstractly(config, p: Plan, state: TrainState, data: Dataset, frozen: dict, batch: int = 0) -> Seen:
    """What a step of the stage sees, in shapes. batch: images in it; 0: config.data.batch_size."""
    b = batch or config.data.batch_size

    def seen(state, frozen, raw, key):
        views = {name: view.apply(raw, view.draw(key, b)) for name, view in p.objective.task.views.items()}
        index = jnp.zeros((b,), jnp.int32)
        batch = Batch(views, index, index, jnp.ones(()))
        return gradients(p.objective, state, frozen, batch, key)[1]

    images = getattr(data.train, "raw", data.train.images)
    raw = jax.ShapeDtypeStruct((b, *images.shape[1:]), images.dtype)
    return jax.eval_shape(seen, state, frozen, raw, jax.eval_shape(lambda: jax.random.key(0)))
