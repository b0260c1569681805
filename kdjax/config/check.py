"""Refuses configs that no run could use, before anything is written: unknown fields, types, ranges, choices."""
from __future__ import annotations

import importlib.util
import math

from ml_collections import ConfigDict

from kdjax.config.fields import FIELDS, OPEN, default
from kdjax.config.walk import flat, get, near
from kdjax.errors import UserError

EXTRAS = {"log.tensorboard": "tensorboardX", "log.plots": "matplotlib", "log.wandb": "wandb"}
ALSO = {float: (float, int), tuple: (tuple, list)}


def check(config: ConfigDict) -> None:
    """Raises UserError for the first thing in `config` that is wrong; touches no file, knows no network."""
    check_fields(config)
    check_values(config)
    milestones = list(config.optim.schedule.milestones)
    if milestones != sorted(milestones):
        raise UserError(f"config.optim.schedule.milestones={tuple(milestones)} must be epochs in rising order, such as "
                        "(150,180,210)")
    if any(sign in config.experiment.name for sign in "/\0"):
        raise UserError(f"config.experiment.name={config.experiment.name!r} is not a name; set --workdir for a path")
    for field, package in EXTRAS.items():
        if get(config, field) and importlib.util.find_spec(package) is None:
            raise UserError(f"config.{field} needs {package}, which is not installed; `pip install {package}`, or set "
                            f"--config.{field}={False if FIELDS[field].kind is bool else ''}")


def check_fields(config: ConfigDict) -> None:
    """The fields are those of the table, in their types; the blocks of OPEN may hold more."""
    have = flat(config)
    for name in FIELDS.keys() - have.keys():
        raise UserError(f"the config has no field {name}; start it from kdjax.config.default() and change what differs")
    for name in have.keys() - FIELDS.keys():
        if not name.startswith(tuple(OPEN)):
            raise UserError(f"there is no field config.{name}{near(default(), name)}; docs/config.md lists every field")
    for name, field in FIELDS.items():
        value = have[name][1]
        fits = isinstance(value, ALSO.get(field.kind, field.kind)) or (value is None and field.default is None)
        if not fits or (isinstance(value, bool) and field.kind is not bool):
            raise UserError(f"config.{name}={value!r} is a {type(value).__name__}; give a {field.kind.__name__}")


def check_values(config: ConfigDict) -> None:
    """Every value is one that the table allows; a number that the user's own code added is at least finite."""
    for name, (_, value) in flat(config).items():
        rule = FIELDS.get(name) or next((rule for block, rule in OPEN.items() if name.startswith(block)), None)
        if rule is None and isinstance(value, float) and not math.isfinite(value):
            raise UserError(f"config.{name}={value} is not a finite number; correct it")
        if rule is not None and (wrong := rule.refusal(value)):
            raise UserError(f"config.{name}{wrong}")
