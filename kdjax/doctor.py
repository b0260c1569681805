"""What is missing before a run: `python -m kdjax.doctor [--config configs/itrd.py[:...]] [--workdir DIR] [--no-run]`.

One line a check: ok, or what to fix. Status 0 when nothing must be fixed, else 1.
"""
from __future__ import annotations

import contextlib
import importlib.metadata
import io
import os
import pathlib
import shutil
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator
from typing import NamedTuple

from kdjax.config.command_line import Parser, guarded
from kdjax.errors import UserError

FALLBACK = {  # the bounds of pyproject.toml where that is not at hand
    "jax": (">=0.10.2", "<0.11"), "flax": (">=0.12.8", "<0.13"), "optax": (">=0.2.8", "<0.3"),
    "orbax-checkpoint": (">=0.12.8", "<0.13"), "ml_collections": (">=1.1", "<2"), "numpy": (">=2.0", "<3"),
}
ROOM = 2 * 2**30  # bytes: the checkpoints of a large pair with CRD's banks, three times over
FEW_FILES = 256


class Finding(NamedTuple):
    """good: None for a remark that needs no fixing."""

    good: bool | None
    what: str
    text: str


def versions() -> Iterator[Finding]:
    """Every required package inside its bounds."""
    for name, bounds in requirements().items():
        try:
            have = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            yield Finding(False, name, f"is not installed; pip install '{name}{','.join(bounds)}'")
            continue
        fits = all(satisfies(have, bound) for bound in bounds)
        yield Finding(fits, name, have if fits else f"{have} is not tested; pip install '{name}{','.join(bounds)}'")


def requirements() -> dict[str, tuple[str, ...]]:
    """{package: bounds} of pyproject.toml beside the package, else of the installed kdjax, else `FALLBACK`."""
    file = pathlib.Path(__file__).resolve().parents[1] / "pyproject.toml"
    lines = []
    if file.is_file():
        lines = tomllib.loads(file.read_text())["project"]["dependencies"]
    else:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            lines = [line for line in importlib.metadata.requires("kdjax") or [] if "extra ==" not in line]
    return dict(map(split, lines)) or FALLBACK


def split(line: str) -> tuple[str, tuple[str, ...]]:
    """`jax>=0.10.2,<0.11; marker` -> ("jax", (">=0.10.2", "<0.11"))."""
    line = line.partition(";")[0].replace(" ", "")
    end = next((i for i, sign in enumerate(line) if sign in "<>=!~("), len(line))
    return line[:end], tuple(bound for bound in line[end:].strip("()").split(",") if bound)


def satisfies(have: str, bound: str) -> bool:
    """Whether a version is inside one bound: >=, ==, or <."""
    number = lambda text: [int(word) for word in text.split("+")[0].split(".") if word.isdigit()]
    for sign, test in ((">=", lambda a, b: a >= b), ("==", lambda a, b: a == b), ("<", lambda a, b: a < b)):
        if bound.startswith(sign):
            return test(number(have), number(bound.removeprefix(sign)))
    return True


def devices() -> Iterator[Finding]:
    """What JAX computes on, and whether it does."""
    import jax
    import jax.numpy as jnp
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
    import copy

    from kdjax.data import source as sources
    for name in dict.fromkeys([config.data.dataset, "cifar10", "cifar100"]):
        fields = copy.deepcopy(config.data)
        fields.dataset = name
        place = "in scikit-learn" if name == "digits" else sources.locate(fields)
        needed = name == config.data.dataset and not config.data.download
        cure = f"python -m kdjax.fetch data {name}" if name in ("cifar10", "cifar100") else "set config.data.dir"
        yield Finding(True if place else False if needed else None, f"data {name}", str(place or f"not found; {cure}"))


def teachers(config) -> Iterator[Finding]:
    """The config's teacher files, and what else lies in teachers/."""
    from kdjax.run import teachers
    own = dict(teachers.wanted(config)) if config.teacher.checkpoint else {}
    found = sorted(str(path.parent) for path in pathlib.Path("teachers").glob("*/network.json"))
    for path in dict.fromkeys([*own, *found]):
        try:
            net, _ = teachers.read(path, own.get(path, ""))
            yield Finding(True, f"teacher {path}", f"{net.name}, {net.num_classes} classes")
        except UserError as error:
            yield Finding(False, f"teacher {path}", str(error))
    if not own and not found:
        yield Finding(None, "teachers", "none in teachers/; python -m kdjax.fetch teachers gets the released ones")


def disk(config) -> Iterator[Finding]:
    """Whether the run's folder can be written, and how much fits; the limit of open files."""
    import resource
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
    from kdjax import config
    from kdjax.run import run as train
    own, began = config.default(), time.monotonic()
    own.student.name = "wrn_10_1"
    own.data.update({"per_class": 8, "batch_size": 16, "image_size": 16})
    own.train.steps, own.devices = 2, 1
    own.log.update({"tensorboard": False, "plots": False})
    with tempfile.TemporaryDirectory(prefix="kdjax-doctor-") as folder:
        own.experiment.workdir = folder
        with contextlib.redirect_stdout(io.StringIO()):
            result = train.run(own)
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


def main(argv: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = Parser("kdjax.doctor", description=__doc__.partition("\n")[0])
    parser.add_argument("--config", default="configs/vanilla.py:demo", help="whose data and teacher to look for")
    parser.add_argument("--workdir", default="")
    parser.add_argument("--no-run", action="store_true", help="leave the two-step run out")
    args = parser.parse_args(argv)
    from kdjax import main as front
    config = front.parse([f"--config={args.config}", *([f"--workdir={args.workdir}"] if args.workdir else [])])
    own = [named(check, config) for check in (data, teachers, disk)]
    wrong = 0
    for check in [versions, devices, *own, *([] if args.no_run else [two_steps])]:
        for good, what, text in examine(check):
            mark = "ok " if good else "-- " if good is None else "FIX"
            print(f"{mark} {what}: {text}", flush=True)
            wrong += good is False
    print("all is well" if not wrong else f"{wrong} thing{'s' * (wrong > 1)} to fix")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(guarded(main))
