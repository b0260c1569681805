"""The run, read top to bottom: data, teacher, networks, methods, stages (see stage_loop.py), result."""
from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from kdjax import methods, models
from kdjax.config import check as validate
from kdjax.data import source as sources
from kdjax.device import placement as parallel
from kdjax.device import processes
from kdjax.files.lock import run_lock
from kdjax.run import log as run_log
from kdjax.run import result as results
from kdjax.run import setup, teachers
from kdjax.run.checkpoints import RunCheckpoints
from kdjax.run.evaluations import teacher_accuracy
from kdjax.run.loop import StageLoop
from kdjax.run.plan import plan
from kdjax.run.stopping import StopSignal
from kdjax.weights.folder import save_network, save_torch


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
        loop = StageLoop(this, number, stages[number], main=number == len(stages) - 1)
        state = loop.train(state if number == start and saved else None, state)
    return finish(this, state)


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
