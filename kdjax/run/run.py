"""The run, read top to bottom: data, teacher, task, stages (see loop.py), result."""
from __future__ import annotations

import json
from pathlib import Path

from kdjax import tasks
from kdjax.config import check
from kdjax.data import source
from kdjax.device import processes
from kdjax.device.placement import Placement
from kdjax.files.lock import run_lock
from kdjax.run import (
    boards,
    companions,
    curves,
    fingerprints,
    folder,
    header,
    log,
    normalising,
    provenance,
    result,
    resume,
    teachers,
)
from kdjax.run.checkpoints import RunCheckpoints
from kdjax.run.context import Run
from kdjax.run.evaluations import Evaluations
from kdjax.run.held import check_room
from kdjax.run.loop import StageLoop
from kdjax.run.names import check_names
from kdjax.run.plan import plan, refuse_tail
from kdjax.run.stopping import StopSignal
from kdjax.step.state import TrainState
from kdjax.weights.folder import save_network, save_torch


def run(config, data=None) -> dict:
    """Trains what the config says in its folder, or continues; returns the contents of result.json.

    Raises UserError for what the user can mend, `errors.Stopped` after a polite stop, `errors.Diverged` when numbers go
    wrong.
    """
    check.check(config)
    check_names(config)
    early = teachers.check_early(config)
    place = folder.workdir(config)
    with folder.tidied(place), processes.held_by_first(lambda: run_lock(place)):
        folder.sweep(place)
        if (done := result.finished(config, place)) is not None:
            processes.say(f"{place} is finished; its result:\n{result.summary(done)}")
            return done
        for own in companions.folders(config, place):
            folder.check_contents(own)
        data = data or processes.in_turn(lambda: source.load(normalising.data_fields(config), config.seed))
        companions.make_teacher(config, place, data, run)
        this = prepare(config, place, data, early)
        try:
            with this.stop:
                done = train(this)
        finally:
            this.log.close()
            this.checkpoints.close()
    processes.share_signal(this.stop)
    this.stop.heed(place)
    return companions.compare(config, place, data, done, run)


def prepare(config, path: Path, data, early: dict) -> Run:
    """Networks, teacher, methods and files, with every refusal that needs no training. early: teachers read by now."""
    place = Placement(config, len(data.train.labels))
    check_room(data, place.devices)
    networks, frozen = teachers.load(config, data, early)
    normalising.check_teachers(config, data, [path for path, _ in teachers.wanted(config)])
    task = tasks.build(config, data, networks)
    place.check_memories([name for name, method in task.methods.items() if method.has_memory])
    resume.check_resume(config, path)
    folder.check_contents(path, task.exports())
    speaker = log.RunLog(path, boards.of(config, path), quiet=not processes.is_first())
    speaker.say(header.header(config, data, task, place))
    this = Run(config, path, data, task, frozen, place, speaker, StopSignal(),
               RunCheckpoints(path / "checkpoints", keep=config.checkpoint.keep), result.no_history(),
               fingerprints.of(data, task, frozen))
    refuse_tail(config, task, data, frozen, plan(config, task, len(data.train.labels)))
    for name, net in task.nets.items():
        if net.role == "trained" and net.source:
            teachers.first(config, config.seed, name, net)
    this.history["teacher"] = Evaluations(this).teacher()
    return this


def train(this: Run) -> dict:
    """All stages from wherever the checkpoints say; returns the result."""
    stages = plan(this.config, this.task, len(this.data.train.labels))
    saved = this.checkpoints.restore()
    resume.check_restored(this, saved, stages[-1].offset + stages[-1].steps)
    header.write_config(this)
    start, state, evaluations = 0, None, Evaluations(this)
    if saved is not None:
        step, tree, meta = saved
        start, this.history = meta["stage"], result.no_history() | meta["history"]
        this.began -= this.history["seconds"]
        this.log.say(f"continuing from step {step} ({stages[start].name}, epoch {meta['epoch']})")
    this.log.rewind(saved[0] if saved else -1, this.history["epochs"])
    for number in range(start, len(stages)):
        loop = StageLoop(this, evaluations, number, stages[number], main=number == len(stages) - 1)
        state = loop.train(tree if number == start and saved else None, state)
    return finish(this, state)


def finish(this: Run, state: TrainState) -> dict:
    """Exports the student, writes result.json and the curves, prints the table."""
    nets, this.history["seconds"] = this.task.nets, this.seconds
    found = result.result(this.config, this.history, nets[this.task.exports()["student"]].network.name,
                          ",".join(nets[name].network.name for name in this.frozen)) | provenance.of(this)
    processes.first(lambda: export(this, state, found))
    this.log.say(result.summary(found))
    return json.loads(json.dumps(found))


def export(this: Run, state: TrainState, found: dict) -> None:
    """The files of a finished run."""
    metadata = {"dataset": this.data.name, "stats": (this.data.mean, this.data.std), "top1": found["last"]["top1"],
                "method": list(this.task.methods), "classes": list(this.data.classes)}
    for name, net in this.task.exports().items():
        network, variables = this.task.nets[net].network, state.net(net)
        save_network(this.folder / name, network, variables, metadata)
        save_torch(this.folder / f"{name}.pth", network, variables)
    if this.config.log.plots:
        curves.draw(this.folder, found)
    folder.write_json(this.folder / "result.json", found)
