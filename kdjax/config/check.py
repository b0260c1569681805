"""Refuses configs that no run could use, before anything is written: unknown fields, types, ranges, choices."""
from __future__ import annotations

import importlib.util
import math

import jax
from ml_collections import ConfigDict

from kdjax import models
from kdjax.config import default
from kdjax.config.parse import near
from kdjax.errors import UserError
from kdjax.methods import chosen, find
from kdjax.step.schedules import base_lr

TINY, HUGE = 1e-12, 2**31 - 1
RANGES = {  # field: (least, greatest)
    "seed": (0, HUGE), "experiment.trial": (0, HUGE), "teacher.train_epochs": (0, HUGE),
    "teacher.min_accuracy": (0, 100),
    "method.feat_dim": (1, HUGE), "loss.gamma": (0, HUGE), "loss.alpha": (0, HUGE), "loss.beta": (0, HUGE),
    "loss.kd_temperature": (TINY, HUGE), "optim.lr": (TINY, math.inf), "optim.momentum": (0, 1),
    "optim.weight_decay": (0, HUGE),
    "optim.warmup_epochs": (0, HUGE), "optim.schedule.decay": (TINY, HUGE), "data.batch_size": (1, HUGE),
    "data.eval_batch_size": (1, HUGE), "data.per_class": (0, HUGE), "data.valid_size": (0, HUGE),
    "data.crop": (0, 4096),
    "data.image_size": (8, 4096), "train.epochs": (1, HUGE), "train.steps": (0, HUGE), "train.init_epochs": (0, HUGE),
    "train.init_lr": (TINY, math.inf), "log.every_steps": (1, HUGE), "checkpoint.every_epochs": (1, HUGE),
    "checkpoint.keep": (1, HUGE), "replicas": (1, HUGE), "devices": (0, HUGE), "distributed.num_processes": (0, HUGE),
    "method.hint.layer": (0, 99), "method.attention.p": (1, 99), "method.kdsvd.k": (1, HUGE),
    "method.itrd.alpha": (TINY, HUGE),
    "method.factor.rate": (TINY, HUGE), "method.crd.num_negatives": (1, HUGE), "method.crd.temperature": (TINY, HUGE),
    "method.crd.momentum": (0, 1), "method.crd.queue_size": (1, HUGE), "method.rrd.temperature": (TINY, HUGE),
    "method.rrd.momentum": (0, 1), "method.rrd.num_negatives": (1, HUGE), "method.rrd.queue_size": (1, HUGE),
    "method.wsld.temperature": (TINY, HUGE), "method.dkd.temperature": (TINY, HUGE), "method.simkd.factor": (1, HUGE),
    "method.vid.init_variance": (TINY, HUGE), "method.vid.eps": (0, HUGE), "method.dcd.init_tau": (TINY, HUGE),
}
CHOICES = {
    "program": ("distil",), "optim.schedule.kind": ("step", "cosine", "constant"), "train.on_nan": ("stop", "skip"),
    "train.dtype": ("float32", "bfloat16", "float64"), "data.padding": ("zero", "reflect"),
    "teacher.batch_stats": ("running", "batch"), "parallel": ("jit", "pmap"),
}
LISTS = {"method.names": str, "method.weights": (int, float), "optim.schedule.milestones": int}
EXTRAS = {"log.tensorboard": "tensorboardX", "log.plots": "matplotlib"}
ALSO = {float: (float, int), tuple: (tuple, list)}
OPEN = ("method.", "optim.lr_override.")  # a user's own methods and networks may add fields here


def check(config: ConfigDict) -> None:
    """Raises UserError for the first thing in `config` that is wrong; touches no file."""
    check_fields(config)
    check_values(config)
    check_names(config)
    if base_lr(config) <= 0:
        raise UserError(f"config.optim.lr={base_lr(config)} must be positive")
    if config.train.dtype == "float64" and not jax.config.jax_enable_x64:
        raise UserError("config.train.dtype=float64 needs 64-bit JAX; set JAX_ENABLE_X64=1 (python -m kdjax.main does "
                        "it itself)")
    milestones = list(config.optim.schedule.milestones)
    if milestones != sorted(milestones) or min(milestones, default=0) < 0:
        raise UserError(f"config.optim.schedule.milestones={tuple(milestones)} must be epochs in rising order, such as "
                        "(150,180,210)")
    if any(sign in config.experiment.name for sign in "/\0"):
        raise UserError(f"config.experiment.name={config.experiment.name!r} is not a name; set --workdir for a path")
    for field, package in EXTRAS.items():
        if get(config, field) and importlib.util.find_spec(package) is None:
            raise UserError(f"config.{field} needs {package}, which is not installed; `pip install {package}`, or set "
                            f"--config.{field}=False")


def check_names(config: ConfigDict) -> None:
    """The methods and the networks exist."""
    for method in chosen(config):
        find(method)
    own = config.teacher.name.split(",") if config.teacher.train_epochs and not config.teacher.checkpoint else []
    for name in (config.student.name, *own):
        models.build(name, num_classes=10, image_size=config.data.image_size or 32)


def check_fields(config: ConfigDict) -> None:
    """The fields are those of `kdjax.config.default()`, in their types."""
    want, have = flat(default()), flat(config)
    for name in want.keys() - have.keys():
        raise UserError(f"the config has no field {name}; start it from kdjax.config.default() and change what differs")
    for name in have.keys() - want.keys():
        if not name.startswith(OPEN):
            raise UserError(f"there is no field config.{name}{near(default(), name)}; docs/config.md lists every field")
    for name, (kind, _) in want.items():
        value = have[name][1]
        fits = isinstance(value, ALSO.get(kind, kind))
        if (isinstance(value, bool) and kind is not bool) or not (fits or (value is None and want[name][1] is None)):
            raise UserError(f"config.{name}={value!r} is a {type(value).__name__}; give a {kind.__name__}")


def check_values(config: ConfigDict) -> None:
    """Every number is finite and in its range, every word one of its choices, every list of its kind."""
    for name, (_, value) in flat(config).items():
        if isinstance(value, float) and not math.isfinite(value):
            raise UserError(f"config.{name}={value} is not a finite number; correct it")
    for name, (least, most) in RANGES.items():
        value = get(config, name)
        if value is not None and not least <= value <= most:
            bound = f"at least {least:g}" if value < least else f"at most {most:g}"
            raise UserError(f"config.{name}={value} is too {'small' if value < least else 'large'}; give {bound}")
    for name, allowed in CHOICES.items():
        if get(config, name) not in allowed:
            raise UserError(f"config.{name}={get(config, name)!r} is not one of {', '.join(allowed)}; choose one")
    for name, kind in LISTS.items():
        for entry in get(config, name):
            if not isinstance(entry, kind) or isinstance(entry, bool):
                want = "names only, such as crd,kd" if kind is str else "numbers only, such as (1,2)"
                raise UserError(f"config.{name} holds {entry!r}; give {want}")


def get(config: ConfigDict, name: str):
    """The value of a dotted field."""
    for word in name.split("."):
        config = config[word]
    return config


def flat(config: ConfigDict, prefix: str = "") -> dict:
    """{dotted name: (type, value)} of all fields."""
    found = {}
    for key in config:
        kind = config.get_type(key)
        if kind is ConfigDict:
            found |= flat(config[key], f"{prefix}{key}.")
        else:
            found[prefix + key] = (kind, config[key])
    return found
