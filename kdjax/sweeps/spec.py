"""What a sweep is asked to do: a file's `get_sweep(arg=None)` and the command line, as one Spec."""
from __future__ import annotations

import dataclasses
import re
import traceback
from pathlib import Path

from kdjax.config import parse
from kdjax.errors import UserError


@dataclasses.dataclass
class Spec:
    """A grid: every combination of methods, pairs, data sets, seeds and grid values is one run.

    methods: names of configs (`crd+kd` is configs/crd.py with its argument kd). pairs: (teacher, student); a teacher is
    a name, or the path of a checkpoint. datasets: () leaves the config's own. fields: {"loss.beta": value} for all
    runs; grid: {field: values}; of: {method: fields} for one method's runs. train_teachers: train what is neither
    there nor to be fetched.
    """

    methods: tuple[str, ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()
    datasets: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (0,)
    demo: bool = False
    fields: dict[str, object] = dataclasses.field(default_factory=dict)
    grid: dict[str, tuple] = dataclasses.field(default_factory=dict)
    of: dict[str, dict[str, object]] = dataclasses.field(default_factory=dict)
    train_teachers: bool = False


def from_file(text: str) -> Spec:
    """`configs/sweeps/baselines.py:demo` -> what its get_sweep("demo") says. Raises UserError naming what is wrong."""
    name, _, argument = text.partition(":")
    path = next((p for p in (Path(name), parse.ROOT / name) if p.is_file()), None)
    if path is None:
        raise UserError(f"there is no sweep file {name!r}; configs/sweeps/ has some")
    try:
        made = parse.execute(path).get_sweep(*([argument] if argument else []))
        spec = Spec(**made)
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        where = traceback.extract_tb(error.__traceback__)[-1].lineno
        raise UserError(f"the sweep file {path} failed (line {where}) with {type(error).__name__}: "
                        f"{parse.first_line(error)}; correct it") from None
    return tidy(spec, str(path))


def tidy(spec: Spec, where: str) -> Spec:
    """The spec in tuples; refuses an empty grid and values of another kind."""
    spec.methods, spec.datasets = tuple(spec.methods), tuple(spec.datasets)
    spec.pairs, spec.seeds = tuple(map(tuple, spec.pairs)), tuple(spec.seeds)
    if not spec.methods or not spec.pairs or not spec.seeds:
        raise UserError(f"{where}: say methods, pairs and seeds, such as --methods kd,itrd --pairs resnet56/resnet20 "
                        "--seeds 0,1,2")
    if not all(len(pair) == 2 and all(isinstance(name, str) and name for name in pair) for pair in spec.pairs):
        raise UserError(f"{where}: a pair is TEACHER/STUDENT, such as resnet56/resnet20")
    if not all(type(seed) is int and seed >= 0 for seed in spec.seeds):
        raise UserError(f"{where}: seeds are whole numbers from 0")
    return spec


def words(text: str) -> tuple[str, ...]:
    """`a,b` as its words."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def pair(text: str) -> tuple[str, str]:
    """`TEACHER/STUDENT`, where the teacher may be a path: the last slash divides."""
    teacher, slash, student = text.rpartition("/")
    if not (teacher and slash and student):
        raise UserError(f"--pairs {text!r} is not TEACHER/STUDENT, such as resnet56/resnet20")
    return teacher, student


def numbers(text: str) -> tuple[int, ...]:
    """`0,1,4-6` as whole numbers."""
    found = []
    for word in words(text):
        span = re.fullmatch(r"(\d+)(?:-(\d+))?", word)
        if span is None or int(span[2] or span[1]) < int(span[1]):
            raise UserError(f"--seeds {word!r} is no number and no range such as 0-4")
        found += range(int(span[1]), int(span[2] or span[1]) + 1)
    return tuple(dict.fromkeys(found))


def values(text: str) -> tuple[str, tuple[str, ...]]:
    """`FIELD=V1,V2` as (field, values); semicolons divide where a value itself has commas."""
    field, equals, rest = text.partition("=")
    found = tuple(v.strip() for v in rest.split(";" if ";" in rest else ",") if v.strip())
    if not (field and equals and found):
        raise UserError(f"--grid {text!r} is not FIELD=VALUE,VALUE, such as loss.beta=0.5,1,2")
    return field.removeprefix("config."), found
