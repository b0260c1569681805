"""The runs that a demo adds to its own: the teacher before it, and the same student alone after it."""
from __future__ import annotations

import copy
from pathlib import Path

from kdjax.device import processes
from kdjax.device.processes import say
from kdjax.errors import UserError
from kdjax.run.folder import write_json
from kdjax.run.result import summary


def vanilla_of(config, folder: Path, network: str, epochs: int):
    """A config that trains `network` alone on the same data, its schedule scaled to `epochs`."""
    own = copy.deepcopy(config)
    own.student.name, own.student.checkpoint = network, ""
    own.program, own.kd.teacher_view = "distil", "same"
    own.mix.update({"mode": "", "student_input": ""})
    own.method.name, own.method.names, own.method.weights = "vanilla", (), ()
    own.teacher.update({"name": "", "checkpoint": "", "train_epochs": 0})
    own.loss.update({"gamma": 1.0, "alpha": 0.0, "beta": 0.0})
    scale = epochs / config.train.epochs
    own.optim.schedule.milestones = tuple(max(1, round(m * scale)) for m in config.optim.schedule.milestones)
    own.train.epochs = epochs
    own.experiment.update({"workdir": str(folder), "compare": False})
    return own


def make_teacher(config, folder: Path, data, run) -> None:
    """Where a config says `teacher.train_epochs`, trains the teacher first (once) and points the config at it."""
    if not config.teacher.train_epochs or config.teacher.checkpoint:
        return
    if not config.teacher.name:
        raise UserError("config.teacher.train_epochs is set but config.teacher.name is not; name the teacher's network")
    say(f"first the teacher, {config.teacher.name}")
    run(vanilla_of(config, folder / "teacher", config.teacher.name, config.teacher.train_epochs), data)
    config.teacher.checkpoint = str(folder / "teacher" / "student")


def compare(config, folder: Path, data, done: dict, run) -> dict:
    """Where a config says `experiment.compare`, trains the same student without a teacher and adds it to the result."""
    if not config.experiment.compare or done.get("alone"):
        return done
    say("now the same student without a teacher")
    alone = run(vanilla_of(config, folder / "alone", config.student.name, config.train.epochs), data)
    done["alone"] = {k: alone[k] for k in ("last", "best")}
    processes.first(lambda: write_json(folder / "result.json", done))
    say("\n" + summary(done))
    return done
