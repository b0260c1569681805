"""The networks a run learns from, read from config.teacher."""
from __future__ import annotations

from pathlib import Path

from kdjax import weights
from kdjax.data import source
from kdjax.errors import UserError
from kdjax.methods import chosen, find
from kdjax.run import backbones
from kdjax.run.accuracy import check_classes
from kdjax.run.fetch import TEACHERS
from kdjax.step.random import stream
from kdjax.tasks import TAUGHT


def wanted(config) -> list[tuple[str, str]]:
    """(path, name or "") of every teacher: config.teacher.checkpoint and .name, several separated by commas.

    Empty for a method without a teacher, and for a program that makes its own; a UserError when one is needed and none
    is given.
    """
    if config.program not in TAUGHT or not any(find(m).needs_teacher for m in chosen(config)):
        return []
    if not config.teacher.checkpoint:
        raise UserError(f"method {next(iter(chosen(config)))!r} needs a teacher; set config.teacher.checkpoint to a "
                        f"converted folder or a .pth file (convert_torch_ckpt.py and kdjax.fetch make them)")
    paths, names = config.teacher.checkpoint.split(","), config.teacher.name.split(",")
    if len(names) not in (1, len(paths)):
        raise UserError(f"config.teacher.name has {len(names)} names for {len(paths)} checkpoints; give one each")
    return list(zip(paths, names if len(names) == len(paths) else names * len(paths)))


def read(path: str, name: str):
    """One teacher's network and variables; a name chooses the architecture of a torch file that does not tell."""
    if not Path(path).exists():
        raise UserError(f"there is no teacher at {path}; {ways(path, name)}")
    net, variables = weights.load(path, name=name or None)
    if name and name != net.name:
        raise UserError(f"{path} holds a {net.name}, not the {name} that config.teacher.name says; change one of them")
    return net, variables


def ways(path: str, name: str) -> str:
    """How to come by a teacher: in whole commands where it is looked for by its network's name."""
    place = Path(path)
    if place.parent != Path("teachers") or not place.name.startswith(name or "/"):
        return "check the path, or give its network's name, which is looked for in teachers/"
    data = place.name.removeprefix(name).removeprefix("_")
    fetch = f"kdjax fetch teachers {name} (downloads the released one), " if name in TEACHERS and not data else ""
    model = f"model={name},dataset={data}" if data else f"model={name}"
    train = f"kdjax train --config vanilla:{model} --workdir {path} (trains it)"
    return f"one of these makes it: {fetch}{train}, kdjax convert FILE --out {path} (converts a PyTorch checkpoint)"


def check_early(config) -> dict:
    """The mistakes that can be told before any data is read, or a teacher trained; {(path, name): what was read}."""
    if config.teacher.train_epochs and not config.teacher.checkpoint:
        return {}
    classes = source.known_classes(config.data.dataset)
    found = {pair: read(*pair) for pair in wanted(config)}
    for net, _ in found.values():
        check_classes(net, classes or net.num_classes, config.data.dataset)
    return found


def load(config, data, early: dict | None = None) -> tuple[dict, dict]:
    """({"teacher": network, "teacher2": ...}, {"teacher": variables, ...}), empty for a method without one. early: what
    `check_early` read."""
    if config.program == "pretext":
        return frozen_target(config)
    if config.program == "probe":
        return {"backbone": backbones.read(config)[0]}, {}
    loaded = [(early or {}).get(pair) or read(*pair) for pair in wanted(config)]
    for net, _ in loaded:
        check_classes(net, data.num_classes, data.name)
    names = ["teacher", *(f"teacher{n}" for n in range(2, len(loaded) + 1))]
    return {n: net for n, (net, _) in zip(names, loaded)}, {n: variables for n, (_, variables) in zip(names, loaded)}


def frozen_target(config) -> tuple[dict, dict]:
    """`load` for a pretext task: {"target": ...} where config.teacher.checkpoint names a given teacher, classes and all
    labels aside. Its projection is what the student's is compared with."""
    if not config.teacher.checkpoint:
        return {}, {}
    net, variables = read(config.teacher.checkpoint, config.teacher.name)
    return {"target": net}, {"target": variables}


def first(config, seed: int, name: str, net) -> dict:
    """A trained network's variables before the first step: from its source, else drawn."""
    if net.source and config.program == "probe":
        return backbones.first(config, seed, net.network)
    return warm_start(net.network, net.source) if net.source else net.network.init(stream(seed, name))


def warm_start(student, path: str) -> dict:
    """Variables for the student from a checkpoint of the same network (config.student.checkpoint)."""
    net, variables = weights.load(path, name=student.name)
    if (net.name, net.num_classes, net.image_size) != (student.name, student.num_classes, student.image_size):
        raise UserError(f"{path} holds {net}, not {student}; change config.student.checkpoint or config.student.name")
    return variables
