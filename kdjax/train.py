"""The run, read top to bottom: data, teacher, stages, epochs, evaluation, log, save."""
from __future__ import annotations

import dataclasses
import json
import time
from collections import deque
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from kdjax import epoch_step, evaluate, methods, models, parallel, processes, results, setup, teachers, validate
from kdjax.data import batches, sources
from kdjax.errors import UserError
from kdjax.io import run_log
from kdjax.io.export import save_network, save_torch
from kdjax.io.lock import run_lock
from kdjax.io.run_checkpoint import RunCheckpoints
from kdjax.state import learning_rate, partition, pure, restored, sgd, stream
from kdjax.step import Task, predict, update
from kdjax.stopping import Stopped, StopSignal, check_finite, check_state

IN_FLIGHT = 4  # steps dispatched ahead of the device: enough to hide the host, few enough to stop politely


@dataclasses.dataclass
class Run:
    """Everything a run holds on to between its stages."""

    config: object
    folder: Path
    data: object
    student: object
    teachers: tuple
    teacher_variables: tuple
    methods: dict
    place: parallel.Placement
    log: run_log.RunLog
    stop: StopSignal
    checkpoints: RunCheckpoints
    history: dict


def run(config, data=None) -> dict:
    """Trains what the config says in its folder, or continues; returns the contents of result.json.

    Raises UserError for what the user can mend, `stopping.Stopped` after a polite stop, `stopping.Diverged` when
    numbers go wrong.
    """
    validate.check(config)
    teachers.check_early(config)
    folder = setup.workdir(config)
    with setup.tidied(folder), processes.held_by_first(lambda: run_lock(folder)):
        setup.sweep(folder)
        if (done := results.finished(config, folder)) is not None:
            results.say(f"{folder} is finished; its result:\n{results.summary(done)}")
            return done
        results.make_teacher(config, folder, data, run)
        data = data or processes.in_turn(lambda: sources.load(config.data, config.seed))
        this = prepare(config, folder, data)
        try:
            with this.stop:
                result = train(this)
        finally:
            this.log.close()
            this.checkpoints.close()
    processes.share_signal(this.stop)
    this.stop.heed(folder)
    return results.compare(config, folder, data, result, run)


def prepare(config, folder: Path, data) -> Run:
    """Networks, teacher, methods and files, with every refusal that needs no training."""
    place = parallel.Placement(config)
    nets, variables = teachers.load(config, data)
    student = models.build(config.student.name, num_classes=data.num_classes, image_size=data.image_size)
    chosen = methods.build(config, student, nets[0] if nets else None)
    setup.check_replicas(config, place, chosen)
    setup.check_resume(config, folder)
    log = run_log.RunLog(folder, config.log.tensorboard, quiet=not processes.is_first())
    log.say(setup.header(config, data, student, nets, place))
    this = Run(config, folder, data, student, nets, variables, chosen, place, log, StopSignal(),
               RunCheckpoints(folder / "checkpoints", keep=config.checkpoint.keep), results.no_history())
    plan(this)
    if config.student.checkpoint:
        teachers.warm_start(student, config.student.checkpoint)
    this.history["teacher"] = teacher_accuracy(this)
    setup.write_config(config, folder, place)
    return this


def teacher_accuracy(this: Run) -> dict | None:
    """The first teacher on the test set; refuses one that is no better than chance."""
    if not this.teachers:
        return None
    data, teacher = this.data, this.teachers[0]
    logits = lambda v, x: teacher.apply(v, x, train=False)[0].logits
    step = evaluate.scorer(logits, data.mean, data.std, eval_dtype(this.config))
    got = scored(this, step, this.place.put(this.teacher_variables[0]), this.place.put(data.test._asdict()))
    name, least = this.teachers[0].name, this.config.teacher.min_accuracy
    this.log.say(f"teacher {name}: top-1 {got['top1']:.2f}  top-5 {got['top5']:.2f}")
    least = 200 / data.num_classes if least is None else least
    if got["top1"] < least:
        raise UserError(f"teacher {name} reaches {got['top1']:.2f}% on {data.name}, below config.teacher.min_accuracy="
                        f"{least:g}; check its checkpoint, config.data.dataset and config.data.stats")
    return got


def eval_dtype(config):
    """What images are evaluated in: float32, or float64 where that is trained in."""
    return jnp.promote_types(epoch_step.DTYPES[config.train.dtype], jnp.float32)


def scored(this: Run, step, variables, data: dict, check=lambda: None) -> dict:
    """`evaluate.score` on all devices; variables and data are there already."""
    size = this.place.eval_batch(this.config.data.eval_batch_size, len(data["labels"]))
    return evaluate.score(step, variables, data, size, lambda x: this.place.put(x, this.place.stacked), check)


def train(this: Run) -> dict:
    """All stages from wherever the checkpoints say; returns the result."""
    stages = plan(this)
    saved = this.checkpoints.restore()
    setup.check_restored(this.config, this.folder, saved, stages[-1].offset + stages[-1].steps)
    start, state = 0, None
    if saved is not None:
        step, state, meta = saved
        start, this.history = meta["stage"], results.no_history() | meta["history"]
        this.log.say(f"continuing from step {step} ({stages[start].name}, epoch {meta['epoch']})")
    this.log.rewind(saved[0] if saved else -1, this.history["epochs"])
    for number in range(start, len(stages)):
        state = train_stage(this, stages, number, state if number == start and saved else None, state)
    return finish(this, state)


@dataclasses.dataclass
class Plan:
    """One stage's length and optimizer. offset: steps of the stages before it."""

    name: str
    task: Task
    epochs: int
    steps: int
    steps_per_epoch: int
    offset: int


def plan(this: Run) -> list[Plan]:
    """The pre-stages of the chosen methods, then the main one."""
    config, n = this.config, len(this.data.train.labels)
    full, tail = divmod(n, config.data.batch_size)
    per_epoch = full if config.data.drop_last else full + bool(tail)
    if per_epoch == 0:
        raise UserError(f"config.data.batch_size={config.data.batch_size} is larger than the {n} training images; "
                        f"lower it")
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


def first_state(this: Run) -> dict:
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


def stage_state(this: Run, p: Plan, before: dict | None) -> dict:
    """The state at the start of a stage: the last stage's weights, a fresh optimizer, zero counters."""
    state = before if before is not None else first_state(this)
    state = {k: state[k] for k in ("params", "batch_stats", "memory")}
    opt = p.task.tx.init(partition(state["params"], p.task.trains)[0])
    state = {**state, "opt": opt, "step": jnp.zeros((), jnp.int32)}
    return {**state, "metrics": epoch_step.no_metrics(term_names(this, p, state))}


def term_names(this: Run, p: Plan, state: dict) -> list[str]:
    """The names of the stage's loss terms, by abstract evaluation."""
    size, c = this.data.image_size, this.data.train.images.shape[-1]
    b = this.config.data.batch_size
    batch = {"images": jax.ShapeDtypeStruct((b, size, size, c), epoch_step.DTYPES[this.config.train.dtype]),
             "labels": jax.ShapeDtypeStruct((b,), jnp.int32), "index": jax.ShapeDtypeStruct((b,), jnp.int32),
             "epoch": jax.ShapeDtypeStruct((), jnp.float32)}
    key = jax.eval_shape(lambda: jax.random.key(0))
    terms = jax.eval_shape(lambda s, t, b, k: update(p.task, s, t, b, k)[1], state, this.teacher_variables, batch, key)
    return list(terms)


def train_stage(this: Run, stages: list[Plan], number: int, saved: dict | None, before: dict | None) -> dict:
    """All epochs of one stage; returns its final state as host arrays."""
    config, p, place = this.config, stages[number], this.place
    template = stage_state(this, p, None if saved is not None else before)
    state = place.put_state(restored(template, saved) if saved is not None else template)
    step = int(np.asarray(saved["step"])) if saved is not None else 0
    data = place.put_state({"images": this.data.train.images, "labels": this.data.train.labels})
    frozen = place.put_state(this.teacher_variables)
    step_function = epoch_step.make(p.task, config, this.data.mean, this.data.std, p.steps_per_epoch, p.name, place)
    compiled = place.compile(step_function)
    score = scorer(this, p) if number == len(stages) - 1 else None
    speed = run_log.Speed(this.history["images"], this.history["speed_seconds"])
    vote = processes.Vote(place, this.stop)

    def save(state, epoch):
        meta = {"stage": number, "epoch": epoch, "history": this.history, "config": setup.plain(config)}
        best = this.history["best"]["test_top1"] if this.history["best"] else None
        held = pure(place.get(state))
        healthy(this, p, held["metrics"])
        arrays = {k: v for k, v in held.items() if k != "metrics"}
        check_state(arrays, p.offset + step, p.name, this.checkpoints.latest_step())
        this.checkpoints.save(p.offset + step, held, meta, best)

    def pause(epoch):
        if vote.stop:
            save(state, epoch)
            raise Stopped(vote.name, this.folder, p.offset + step)

    first = recorded(this, p) + 1
    for epoch in range(first, p.epochs + 1):
        end = min(epoch * p.steps_per_epoch, p.steps)
        orders = epoch_orders(config, len(this.data.train.labels), epoch, place, p.name)
        if step == (epoch - 1) * p.steps_per_epoch:
            state = {**state, "metrics": place.put_state(epoch_step.no_metrics(template["metrics"]["sums"]))}
        ticks, began = deque(), time.perf_counter()
        while step < end:
            row = step % p.steps_per_epoch
            state, tick = compiled(state, frozen, data, order_of(this, orders, row), vote.ballot())
            step += 1
            ticks.append(tick)
            if len(ticks) > IN_FLIGHT:
                vote.hear(ticks.popleft())
            if step % config.log.every_steps == 0 or row == 0 or (vote.alone and this.log.due()):
                report(this, p, state, step, epoch, speed)
            pause(epoch)
        while ticks:  # an epoch shorter than the queue must not pass over a vote
            vote.hear(ticks.popleft())
        close_epoch(this, p, state, step, epoch, score, time.perf_counter() - began, speed, pause)
        last = epoch == p.epochs
        if last or epoch % config.checkpoint.every_epochs == 0:
            save(state, epoch)
    return pure(place.get(state))


def recorded(this: Run, p: Plan) -> int:
    """How many epochs of this stage are already in the history."""
    return this.history["epochs"].get(p.name, 0)


def epoch_orders(config, n: int, epoch: int, place, purpose: str) -> list:
    """The epoch's batches on the devices: the full ones, and the last smaller one when it is kept."""
    seed = setup.order_seed(config.seed, purpose)
    full = batches.epoch_order(seed, epoch, n, config.data.batch_size)
    tail = np.zeros(0) if config.data.drop_last else batches.epoch_tail(seed, epoch, n, config.data.batch_size)
    orders = [full, tail[None]] if len(tail) else [full]
    return [place.put_order(order) for order in orders if order.size]


def order_of(this: Run, orders: list, row: int):
    """Which of `epoch_orders` holds the epoch's batch `row`: the last one holds a smaller last batch."""
    return orders[-1] if row >= len(this.data.train.labels) // this.config.data.batch_size else orders[0]


def report(this: Run, p: Plan, state, step: int, epoch: int, speed) -> None:
    """Fetches the counters: progress for the person, a line for the file, and the end of a run that went wrong."""
    m = this.place.get(state["metrics"])
    healthy(this, p, m)
    speed.mark(int(m["images"]))
    terms = {k: float(v) for k, v in m["last"].items()}
    left = (p.steps - step) * this.config.data.batch_size / speed.rate if speed.rate else 0
    text = (f"{p.name} epoch {epoch}/{p.epochs} step {step}/{p.steps}  {run_log.named(terms)}  "
            f"{speed.rate:.0f} images/s  {run_log.clock(left)} left")
    this.log.progress(text)
    if step % this.config.log.every_steps == 0:
        this.log.record("step", p.offset + step, {"stage": p.name, "epoch": epoch, **terms})
        if not this.log.live:
            this.log.say(text)


def healthy(this: Run, p: Plan, m: dict, over: bool = False) -> None:
    """Raises Diverged when a step went wrong; with on_nan=skip only when every step of an epoch that is over did."""
    if this.config.train.on_nan != "skip" or (over and float(m["steps"]) == 0):
        check_finite(m, p.name, p.offset, this.checkpoints.latest_step())


def close_epoch(this: Run, p: Plan, state, step: int, epoch: int, score, seconds: float, speed, pause):
    """Evaluates, records and remembers one finished epoch."""
    m = this.place.get(state["metrics"])
    healthy(this, p, m, over=True)
    speed.mark(int(m["images"]))
    speed.pause()
    steps = max(float(m["steps"]), 1.0)
    row = {"stage": p.name, "epoch": epoch, **{f"train_{k}": float(v) / steps for k, v in m["sums"].items()},
           "train_top1": 100 * float(m["correct"]) / max(float(m["images"]), 1.0), "skipped": int(m["skipped"])}
    if score is not None:
        row |= score(state, lambda: pause(epoch))
    row |= {"seconds": round(seconds, 3)}
    this.log.record("epoch", p.offset + step, row)
    this.history["epochs"][p.name] = epoch
    this.history["skipped"] += row["skipped"]
    this.history["seconds"] += seconds
    this.history["images"], this.history["speed_seconds"] = speed.images, speed.seconds
    if score is not None:
        this.history["last"] = row
        if not this.history["best"] or row["test_top1"] > this.history["best"]["test_top1"]:
            this.history["best"] = row
    numbers = {k: v for k, v in row.items() if isinstance(v, float)}
    this.log.say(f"{p.name} epoch {epoch}/{p.epochs}  {run_log.named(numbers)}")


def scorer(this: Run, p: Plan):
    """(state, check) -> {"test_top1": ...}: evaluation of what is deployed, on every held-out split."""
    place, data = this.place, this.data
    step = evaluate.scorer(lambda v, x: predict(p.task, v[0], v[1], x), data.mean, data.std, eval_dtype(this.config))
    splits = {"test": data.test} | ({"valid": data.valid} if data.valid is not None else {})
    held = {name: place.put(split._asdict()) for name, split in splits.items()}
    frozen = place.put(this.teacher_variables)

    def score(state, check):
        own = place.one({k: state[k] for k in ("params", "batch_stats")})
        row = {}
        for name, split in held.items():
            got = scored(this, step, (own, frozen), split, check)
            row |= {f"{name}_{k}": v for k, v in got.items() if k != "count"}
        return row

    return score


def finish(this: Run, state: dict) -> dict:
    """Exports the student, writes result.json and the curves, prints the table."""
    result = results.result(this.config, this.history, this.student.name, ",".join(t.name for t in this.teachers))
    processes.first(lambda: export(this, state, result))
    this.log.say(results.summary(result))
    return json.loads(json.dumps(result))


def export(this: Run, state: dict, result: dict) -> None:
    """The files of a finished run."""
    variables = {"params": state["params"]["student"], "batch_stats": state["batch_stats"]["student"]}
    metadata = {"dataset": this.data.name, "top1": result["last"]["top1"], "method": list(this.methods)}
    save_network(this.folder / "student", this.student, variables, metadata)
    save_torch(this.folder / "student.pth", this.student, variables)
    if this.config.log.plots:
        run_log.curves(this.folder)
    setup.write_json(this.folder / "result.json", result)
