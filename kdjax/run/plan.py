"""The stages of a run: the pre-stages of its methods, then the main one; what each trains, how long, from where."""
from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from kdjax import methods
from kdjax.data import order as batches
from kdjax.errors import UserError
from kdjax.run import setup, teachers
from kdjax.step import device_step as epoch_step
from kdjax.step.state import learning_rate, partition, sgd, stream
from kdjax.step.update import Task, update


@dataclasses.dataclass
class Plan:
    """One stage's length and optimizer. offset: steps of the stages before it."""

    name: str
    task: Task
    epochs: int
    steps: int
    steps_per_epoch: int
    offset: int


def plan(this) -> list[Plan]:
    """The pre-stages of the chosen methods, then the main one. this: a train.Run."""
    config, per_epoch = this.config, steps_per_epoch(this)
    common = dict(student=this.student, teachers=this.teachers, methods=this.methods, weights=methods.chosen(config),
                  loss=config.loss, teacher_train=config.teacher.batch_stats == "batch",
                  skip_bad_steps=config.train.on_nan == "skip")
    plans, offset = [], 0
    for name, method in this.methods.items():
        for stage in method.stages:
            rate = setup.stage_lr(config, stage)
            steps = config.train.init_epochs * per_epoch
            task = Task(**common, tx=sgd(config, lambda step, rate=rate: rate), stage=stage, stage_method=name)
            plans.append(Plan(f"{name}: {stage.name}", task, config.train.init_epochs, steps, per_epoch, offset))
            offset += steps
    steps = config.train.steps or config.train.epochs * per_epoch
    rate = learning_rate(config, steps)
    epochs = -(-steps // per_epoch)
    return [*plans, Plan("main", Task(**common, tx=sgd(config, rate)), epochs, steps, per_epoch, offset)]


def steps_per_epoch(this) -> int:
    """Batches in an epoch; refuses a batch larger than the training set."""
    config, n = this.config, len(this.data.train.labels)
    full, tail = divmod(n, config.data.batch_size)
    per_epoch = full if config.data.drop_last else full + bool(tail)
    if per_epoch == 0:
        raise UserError(f"config.data.batch_size={config.data.batch_size} is larger than the {n} training images; "
                        f"lower it")
    return per_epoch


def first_state(this) -> dict:
    """Parameters, statistics and memories before the first step."""
    seed = this.config.seed
    student = this.student.init(stream(seed, "student"))
    if this.config.student.checkpoint:
        student = teachers.warm_start(this.student, this.config.student.checkpoint)
    adapters = {m: {a: f.init(stream(seed, f"adapter {m} {a}")) for a, f in method.adapters.items()}
                for m, method in this.methods.items()}
    part = lambda what: {m: {a: v[what] for a, v in own.items()} for m, own in adapters.items()}
    labels = jnp.asarray(this.data.train.labels)
    memory = {m: method.init_memory(stream(seed, f"memory {m}"), labels) for m, method in this.methods.items()}
    return {"params": {"student": student["params"], "adapters": part("params")},
            "batch_stats": {"student": student["batch_stats"], "adapters": part("batch_stats")}, "memory": memory}


def stage_state(this, p: Plan, before: dict | None) -> dict:
    """The state at the start of a stage: the last stage's weights, a fresh optimizer, zero counters."""
    state = before if before is not None else first_state(this)
    state = {k: state[k] for k in ("params", "batch_stats", "memory")}
    opt = p.task.tx.init(partition(state["params"], p.task.trains)[0])
    state = {**state, "opt": opt, "step": jnp.zeros((), jnp.int32)}
    return {**state, "metrics": epoch_step.no_metrics(term_names(this, p, state))}


def term_names(this, p: Plan, state: dict) -> list[str]:
    """The names of the stage's loss terms, by abstract evaluation."""
    size, c = this.data.image_size, this.data.train.images.shape[-1]
    b = this.config.data.batch_size
    batch = {"images": jax.ShapeDtypeStruct((b, size, size, c), epoch_step.DTYPES[this.config.train.dtype]),
             "labels": jax.ShapeDtypeStruct((b,), jnp.int32), "index": jax.ShapeDtypeStruct((b,), jnp.int32),
             "epoch": jax.ShapeDtypeStruct((), jnp.float32)}
    key = jax.eval_shape(lambda: jax.random.key(0))
    terms = jax.eval_shape(lambda s, t, b, k: update(p.task, s, t, b, k)[1], state, this.teacher_variables, batch, key)
    return list(terms)


class Orders:
    """One epoch's batches as index matrices on the devices: the full ones, and the last smaller one when it is kept."""

    def __init__(self, config, n: int, epoch: int, place, purpose: str):
        seed = setup.order_seed(config.seed, purpose)
        full = batches.epoch_order(seed, epoch, n, config.data.batch_size)
        tail = np.zeros(0) if config.data.drop_last else batches.epoch_tail(seed, epoch, n, config.data.batch_size)
        self.full = len(full)
        self.held = [place.put_order(order) for order in (full, tail[None]) if order.size]

    def holding(self, row: int):
        """The matrix that holds the epoch's batch `row`."""
        return self.held[0] if row < self.full else self.held[-1]
