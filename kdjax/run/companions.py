"""The runs that a demo adds to its own: the teacher before it, and the same student alone after it."""
from __future__ import annotations

import copy
from pathlib import Path

from kdjax.config import default
from kdjax.config.milestones import scaled
from kdjax.device import processes
from kdjax.device.processes import say
from kdjax.errors import UserError
from kdjax.run import curves
from kdjax.run.folder import write_json
from kdjax.run.result import summary


def folders(config, folder: Path) -> list[Path]:
    """The run's folder and those of the runs that it adds."""
    own_teacher = config.teacher.train_epochs and not config.teacher.checkpoint
    return [folder, *([folder / "teacher"] if own_teacher else []),
            *([folder / "alone"] if config.experiment.compare else [])]


def vanilla_of(config, folder: Path, network: str, epochs: int):
    """A config that trains `network` alone on the same data, its schedule scaled to `epochs`."""
    own = copy.deepcopy(config)
    own.student.name, own.student.checkpoint = network, ""
    own.program, own.kd.teacher_view = "distil", "same"
    own.mix.update({"mode": "", "student_input": ""})
    own.method.name, own.method.names, own.method.weights = "vanilla", (), ()
    own.teacher.update({"name": "", "checkpoint": "", "train_epochs": 0})
    own.loss.update({"gamma": 1.0, "alpha": 0.0, "beta": 0.0})
    own.optim.schedule.milestones = scaled(config.optim.schedule.milestones, epochs / config.train.epochs)
    own.train.epochs = epochs
    own.experiment.update({"workdir": str(folder), "compare": False})
    return own


def teacher_of(config, folder: Path):
    """The config of the run's own teacher: `teacher.train_epochs`, with milestones at the common protocol's fractions.

    Nothing here depends on the run's own length, so that a run which is made longer keeps its teacher.
    """
    epochs, common = config.teacher.train_epochs, default()
    own = vanilla_of(config, folder, config.teacher.name, epochs)
    own.optim.schedule.milestones = scaled(common.optim.schedule.milestones, epochs / common.train.epochs)
    own.train.steps = 0
    return own


def make_teacher(config, folder: Path, data, run) -> None:
    """Where a config says `teacher.train_epochs`, trains the teacher first (once) and points the config at it."""
    if not config.teacher.train_epochs or config.teacher.checkpoint:
        return
    if not config.teacher.name:
        raise UserError("config.teacher.train_epochs is set but config.teacher.name is not; name the teacher's network")
    say(f"first the teacher, {config.teacher.name}")
    run(teacher_of(config, folder / "teacher"), data)
    config.teacher.checkpoint = str(folder / "teacher" / "student")


def compare(config, folder: Path, data, done: dict, run) -> dict:
    """Where a config says `experiment.compare`, trains the same student without a teacher and adds it to the result."""
    if not config.experiment.compare or done.get("alone"):
        return done
    say("now the same student without a teacher")
    alone = run(vanilla_of(config, folder / "alone", config.student.name, config.train.epochs), data)
    done["alone"] = {k: alone[k] for k in ("last", "best")}
    done["gain"] = done["last"]["top1"] - alone["last"]["top1"]
    if config.log.plots:
        processes.first(lambda: curves.draw(folder, done))
    processes.first(lambda: write_json(folder / "result.json", done))
    say("\n" + summary(done))
    return done
