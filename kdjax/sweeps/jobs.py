"""A job: one command of this package that makes one folder; and the jobs of a grid."""
from __future__ import annotations

import dataclasses
import itertools
import re
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

from kdjax.config.parse import parse
from kdjax.errors import UserError
from kdjax.methods import canonical, chosen
from kdjax.sweeps.spec import Spec
from kdjax.tables import naming

STATES = ("waiting", "running", "finished", "failed")


@dataclasses.dataclass
class Job:
    """command: what follows `python`. needs: jobs that come first. about: method, teacher, student, dataset, seed.

    state: one of STATES; why: in words, when it failed; seconds: how long the last attempt took.
    """

    name: str
    folder: Path
    command: list[str]
    done: Callable[[], bool]
    about: dict = dataclasses.field(default_factory=dict)
    needs: list[Job] = dataclasses.field(default_factory=list)
    config: object = None
    state: str = "waiting"
    why: str = ""
    attempts: int = 0
    seconds: float = 0.0

    @property
    def program(self) -> list[str]:
        """The whole command line."""
        return [sys.executable, *self.command]


def grid(spec: Spec) -> list[tuple[str, list[str], dict]]:
    """(name, arguments of kdjax.main, about) of every run; seeds outermost, so that a table fills evenly."""
    found: dict[str, tuple] = {}
    names, choices = list(spec.grid), list(itertools.product(*spec.grid.values()))
    for seed, dataset, (teacher, student), method, values in itertools.product(
            spec.seeds, spec.datasets or ("",), spec.pairs, spec.methods, choices):
        own = dict(zip(names, values))
        arguments = ["--config", config_spec(spec, method, teacher, student, dataset, seed),
                     *settings(meant_for(method, spec.fields | spec.of.get(method, {}) | own))]
        config = load(arguments)
        label = naming.method(list(chosen(config)), config.loss.alpha, config.program,
                              config.loss.kd_kind)
        about = {"method": label, "teacher": "" if label == "vanilla" else short(teacher), "student": student,
                 "dataset": naming.dataset(config.data.dataset), "seed": seed}
        parts = [method, about["teacher"], student, about["dataset"],
                 *(f"{field.split('.')[-1]}={value}" for field, value in own.items()), f"s{seed}"]
        name = safe("-".join(map(str, filter(None, parts))))
        if found.setdefault(name, (arguments, about))[0] != arguments:
            raise UserError(f"two runs would be called {name}; give teachers and values that differ in their names")
    return [(name, *rest) for name, rest in found.items()]


def config_spec(spec: Spec, method: str, teacher: str, student: str, dataset: str, seed: int) -> str:
    """`configs/crd.py:kd,teacher=...`: the method's config with its arguments."""
    name, *flags = method.split("+")
    path = name if name.endswith(".py") else f"configs/{naming.from_paper(name)}.py"
    pair = [f"model={student}"] if Path(path).stem == "vanilla" else [f"teacher={teacher}", f"student={student}"]
    words = [*flags, *pair, *([f"dataset={dataset}"] if dataset else []), f"seed={seed}",
             *(["demo"] if spec.demo else [])]
    return f"{path}:{','.join(words)}"


def meant_for(method: str, fields: dict) -> dict:
    """The fields, less those of a teacher where a student is trained alone."""
    return {k: v for k, v in fields.items() if method != "vanilla" or not k.startswith("teacher.")}


def settings(fields: dict) -> list[str]:
    """Fields as arguments of kdjax.main."""
    return [f"--config.{name}={value}" for name, value in fields.items()]


def load(arguments: list[str]):
    """The config that these arguments of kdjax.main mean; UserErrors as there, its warnings are the run's to say."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return parse(arguments, canonical)


def short(teacher: str) -> str:
    """A teacher's name for a folder's name: of a checkpoint's path, the folder that holds it (`wrn_40_2_vanilla`)."""
    return naming.path_name(teacher).removesuffix("_vanilla") if "/" in teacher else teacher


def safe(name: str) -> str:
    """A folder's name: no signs that a shell or a file system would take for its own."""
    name = re.sub(r"[^0-9A-Za-z+=._-]+", "_", name)
    if len(name) > 200:
        raise UserError(f"the run {name[:60]}... has too long a name; give shorter values")
    return name
