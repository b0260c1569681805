"""What may be missing before a run: packages, devices, data, teachers, a disk; and two steps of a real one."""
from __future__ import annotations

import contextlib
import copy
import importlib.metadata
import io
import os
import pathlib
import resource
import shutil
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
from packaging.requirements import Requirement

from kdjax import config as configs
from kdjax.data import source
from kdjax.errors import UserError
from kdjax.run import run
from kdjax.run import teachers as held

ROOM = 2 * 2**30  # bytes: the checkpoints of a large pair with CRD's banks, three times over
FEW_FILES = 256


class Finding(NamedTuple):
    """good: None for a remark that needs no fixing."""

    good: bool | None
    what: str
    text: str


def versions() -> Iterator[Finding]:
    """Every required package inside its bounds."""
    for need in requirements():
        wanted = need.name + ",".join(sorted(map(str, need.specifier), reverse=True))
        try:
            have = importlib.metadata.version(need.name)
        except importlib.metadata.PackageNotFoundError:
            yield Finding(False, need.name, f"is not installed; pip install '{wanted}'")
            continue
        fits = need.specifier.contains(have, prereleases=True)
        yield Finding(fits, need.name, have if fits else f"{have} is not tested; pip install '{wanted}'")


def requirements() -> list[Requirement]:
    """The requirements in pyproject.toml beside the package, else of the installed kdjax, that hold on this machine."""
    file = pathlib.Path(__file__).resolve().parents[2] / "pyproject.toml"
    if file.is_file():
        lines = tomllib.loads(file.read_text())["project"]["dependencies"]
    else:
        lines = importlib.metadata.requires("kdjax") or []
    found = map(Requirement, lines)
    return [need for need in found if need.marker is None or need.marker.evaluate({"extra": ""})]


def devices() -> Iterator[Finding]:
    """What JAX computes on, and whether it does."""
    kinds = ", ".join(sorted({f"{d.platform} {d.device_kind}" for d in jax.devices()}))
    for device in jax.devices():
        a = jax.device_put(jnp.ones((64, 64)), device)
        if float((a @ a).sum()) != 64.0**3:
            yield Finding(False, "devices", f"{device} multiplies wrongly; check its driver, or leave it out")
    yield Finding(True, "devices", f"{len(jax.devices())} x {kinds}")
    if jax.default_backend() == "cpu" and shutil.which("nvidia-smi"):
        yield Finding(False, "devices", "a GPU is here but JAX does not use it; pip install 'kdjax[cuda12]'")


def data(config) -> Iterator[Finding]:
    """Where the data sets lie; the config's own must be there."""

    for name in dict.fromkeys([config.data.dataset, "cifar10", "cifar100"]):
        fields = copy.deepcopy(config.data)
        fields.dataset = name
        place = "in scikit-learn" if name == "digits" else source.locate(fields)
        needed = name == config.data.dataset and not config.data.download
        cure = f"python -m kdjax.fetch data {name}" if name in ("cifar10", "cifar100") else "set config.data.dir"
        yield Finding(True if place else False if needed else None, f"data {name}", str(place or f"not found; {cure}"))


def teachers(config) -> Iterator[Finding]:
    """The config's teacher files, and what else lies in teachers/."""
    own = dict(held.wanted(config)) if config.teacher.checkpoint else {}
    found = sorted(str(path.parent) for path in pathlib.Path("teachers").glob("*/network.json"))
    for path in dict.fromkeys([*own, *found]):
        try:
            net, _ = held.read(path, own.get(path, ""))
            yield Finding(True, f"teacher {path}", f"{net.name}, {net.num_classes} classes")
        except UserError as error:
            yield Finding(False, f"teacher {path}", str(error))
    if not own and not found:
        yield Finding(None, "teachers", "none in teachers/; python -m kdjax.fetch teachers gets the released ones")


def disk(config) -> Iterator[Finding]:
    """Whether the run's folder can be written, and how much fits; the limit of open files."""
    folder = pathlib.Path(config.experiment.workdir or "runs").absolute()
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not (there.is_dir() and os.access(there, os.W_OK)):
        yield Finding(False, "disk", f"{there} cannot be written; choose another --workdir")
        return
    free = shutil.disk_usage(there).free
    enough = free >= ROOM
    yield Finding(enough, "disk", f"{free / 2**30:.1f} GiB free in {there}" + ("" if enough else "; free at least "
                  f"{ROOM / 2**30:.0f} GiB, or choose another --workdir"))
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if 0 <= files < FEW_FILES:
        yield Finding(False, "open files", f"only {files} are allowed; ulimit -n 4096")


def two_steps() -> Iterator[Finding]:
    """Two steps on the digits in a folder that is removed: the whole way to a result."""
    own, began = configs.default(), time.monotonic()
    own.student.name = "wrn_10_1"
    own.data.update({"per_class": 8, "batch_size": 16, "image_size": 16})
    own.train.steps, own.devices = 2, 1
    own.log.update({"tensorboard": False, "plots": False})
    with tempfile.TemporaryDirectory(prefix="kdjax-doctor-") as folder:
        own.experiment.workdir = folder
        with contextlib.redirect_stdout(io.StringIO()):
            result = run.run(own)
        good = bool(result["last"]["loss"] == result["last"]["loss"])
    yield Finding(good, "two steps", f"trained, saved and evaluated in {time.monotonic() - began:.0f} s" if good else
                  "the loss is not a number; reinstall jax and jaxlib")


def examine(check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """The findings of a check; one that fails is a finding itself."""
    try:
        yield from check()
    except UserError as error:
        yield Finding(False, check.__name__.replace("_", " "), str(error))
    except Exception as error:  # whatever is broken, the other checks go on
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        yield Finding(False, check.__name__.replace("_", " "), f"fails with {reason}; reinstall kdjax (make test)")


def named(check: Callable, config) -> Callable:
    """A check of a config as one without arguments."""
    bound = lambda: check(config)
    bound.__name__ = check.__name__
    return bound
