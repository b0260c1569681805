"""What a sweep is asked to do: a file's `get_sweep(arg=None)` and the command line, as one Spec."""
from __future__ import annotations

import dataclasses
import traceback
from pathlib import Path

from kdjax.config import file as config_file
from kdjax.errors import UserError
from kdjax.sweeps import words


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
    path = next((p for p in (Path(name), config_file.SHIPPED.parent / name) if p.is_file()), None)
    if path is None:
        raise UserError(f"there is no sweep file {name!r}; configs/sweeps/ has some")
    try:
        made = config_file.execute(path).get_sweep(*([argument] if argument else []))
        spec = Spec(**made)
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        where = traceback.extract_tb(error.__traceback__)[-1].lineno
        raise UserError(f"the sweep file {path} failed (line {where}) with {type(error).__name__}: "
                        f"{config_file.first_line(error)}; correct it") from None
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


def asked(args, fields: list[str]) -> Spec:
    """The file's spec (args.sweep), changed by what else the command line says; fields: `--config.FIELD=VALUE` ..."""
    made = from_file(args.sweep) if args.sweep else Spec()
    pairs = tuple(map(words.pair, words.words(args.pairs))) if args.pairs else None
    given = {"methods": args.methods, "pairs": pairs, "datasets": args.datasets, "seeds": args.seeds,
             "demo": args.demo, "train_teachers": args.train_teachers}
    made.__dict__.update({name: value for name, value in given.items() if value is not None})
    made.grid |= dict(map(words.values, args.grid))
    made.fields |= dict(map(words.field, fields))
    return tidy(made, args.sweep or "sweep")
