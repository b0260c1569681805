"""What a run needs before its first step: its folder, what it says of itself, and the refusals."""
from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from kdjax.config.changes import meaning_changed
from kdjax.device import processes
from kdjax.errors import UserError
from kdjax.files.atomic import atomic_write_text
from kdjax.methods import chosen
from kdjax.run.step_folders import DAMAGED
from kdjax.step.state import base_lr

OWN_TEACHER = ("teacher", "student")  # in a run's folder: the teacher that `teacher.train_epochs` trains
TROUBLE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ENAMETOOLONG}
NOTHING = {".lock", "tensorboard", "config.json"}  # what a folder may hold that is not worth keeping


def plain(config) -> dict:
    """The config as JSON values. A teacher that the run trains itself is no checkpoint that the user gave."""
    values = json.loads(config.to_json())
    if config.teacher.train_epochs and Path(config.teacher.checkpoint).parts[-2:] == OWN_TEACHER:
        values["teacher"]["checkpoint"] = ""
    return values


def write_json(path: Path, value) -> None:
    """Writes JSON atomically."""
    atomic_write_text(path, json.dumps(value, indent=1, default=str) + "\n")


def read_json(path: Path) -> dict | None:
    """The object in a JSON file, or None where there is none (or only a broken one)."""
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def workdir(config) -> Path:
    """The run's folder: experiment.workdir, or runs/<name>."""
    name = config.experiment.name or "-".join(
        [*chosen(config), config.teacher.name or "none", config.student.name, config.data.dataset, f"s{config.seed}",
         f"t{config.experiment.trial}"]).replace("/", "_").replace(":", "_")
    folder = Path(config.experiment.workdir or Path("runs") / name)
    return folder


@contextlib.contextmanager
def tidied(folder: Path) -> Iterator[None]:
    """The folder, created for the body. A body that fails before anything of value is in it leaves no folder behind;
    what the disk refuses becomes a UserError."""
    made = []
    try:
        made = [path for path in (folder, *folder.parents) if processes.is_first() and not path.exists()]
        processes.first(lambda: check_writable(folder))
        yield
    except OSError as error:
        raise disk_trouble(error, folder) from None
    finally:
        if made and folder.is_dir() and {path.name for path in folder.iterdir()} <= NOTHING:
            shutil.rmtree(folder, ignore_errors=True)
            with contextlib.suppress(OSError):  # somebody else put something into a parent meanwhile
                for path in made[1:]:
                    path.rmdir()


def check_writable(folder: Path) -> None:
    """Creates the folder if need be; refuses one that cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".writable.{os.getpid()}.tmp"
        probe.touch()
        probe.unlink(missing_ok=True)  # the holder of the lock may have swept it up
    except OSError as error:
        raise UserError(f"cannot write in {folder} ({error.strerror}); choose another folder with --workdir") from None


def disk_trouble(error: OSError, folder: Path) -> Exception:
    """A UserError for a disk that is full or went away; other errors as they are."""
    if error.errno in TROUBLE:
        return UserError(f"cannot write in {folder} ({error.strerror}); make it writable or free some space, and run "
                         "the same command again: it continues from the last checkpoint")
    return error


def sweep(folder: Path) -> None:
    """Removes what killed writers left half written. For the holder of the run's lock."""
    if processes.is_first():
        for path in [*folder.glob(".*.tmp"), *folder.glob(".student*.new"), *folder.glob(".student*.old")]:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def check_resume(config, folder: Path) -> None:
    """Refuses to continue a run whose meaning changed, showing what did."""
    if not ((folder / "checkpoints").is_dir() or (folder / "result.json").exists()):
        return  # nothing of the other run is worth keeping
    before = read_json(folder / "config.json")
    if before and isinstance(before.get("config"), dict):
        check_same(config, folder, before["config"])


def check_same(config, folder: Path, before: dict) -> None:
    """Refuses a config that means another run than `before`."""
    if changed := meaning_changed(before, plain(config)):
        raise UserError(f"{folder} holds a run of another config ({'; '.join(changed)}); use another --workdir, or the "
                        "old values")


def check_restored(config, folder: Path, saved: tuple | None, steps: int) -> None:
    """Refuses to start from scratch where all checkpoints are damaged, and to continue past the end.

    steps: how many the config asks for, all stages together.
    """
    if saved is None:
        damaged = folder / "checkpoints" / DAMAGED
        if damaged.is_dir() and any(damaged.iterdir()):
            raise UserError(f"every checkpoint of {folder} is damaged (they are kept in {damaged}); start anew in "
                            "another --workdir, or remove that folder to start anew here")
        return
    check_same(config, folder, saved[2]["config"])
    if saved[0] > steps:
        raise UserError(f"{folder} has trained {saved[0]} steps, more than the {steps} of this config; raise "
                        "config.train.epochs, or use another --workdir")


def check_replicas(config, place, methods: dict) -> None:
    """Methods with a memory compute on the whole batch only."""
    count = max(config.replicas, place.replicas_of_pmap)
    guilty = [name for name, method in methods.items() if method.has_memory]
    if count > 1 and guilty:
        raise UserError(f"{guilty[0]} keeps a memory that {count} replicas would update apart from each other; "
                        f"set config.replicas=1 and config.parallel=jit (which uses all devices on one global batch)")


def revision() -> str:
    """The git revision of the program, or "" outside a checkout."""
    ask = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        return subprocess.run(ask, capture_output=True, text=True, timeout=5).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def versions() -> dict:
    """Versions of what the numbers depend on."""
    from importlib.metadata import version
    return {"python": platform.python_version(), **{p: version(p) for p in ("kdjax", "jax", "flax", "optax", "numpy")}}


def write_config(config, folder: Path, place) -> None:
    """config.json: the resolved config and where it ran."""
    processes.first(lambda: write_json(folder / "config.json", {
        "config": plain(config), "versions": versions(), "revision": revision(),
        "devices": [d.device_kind for d in place.devices]}))


def stage_lr(config, stage) -> float:
    """A pre-stage's constant rate: train.init_lr, the stage's own, or the student's base rate."""
    if config.train.init_lr is not None:
        return config.train.init_lr
    return base_lr(config) if stage.lr is None else stage.lr


def order_seed(seed: int, purpose: str) -> int:
    """The data order's seed of a stage; the main stage uses the run's own."""
    own = hashlib.sha256(f"{seed} {purpose}".encode()).digest()[:4]
    return seed if purpose == "main" else int.from_bytes(own, "little")


def header(config, data, student, teachers, place) -> str:
    """What a run is, in a few lines."""
    v = versions()
    kinds = {d.device_kind for d in place.devices}
    lines = [f"kdjax {v['kdjax']}  jax {v['jax']}  flax {v['flax']}  "
             f"on {len(place.devices)} x {', '.join(kinds)} ({config.parallel})",
             f"data     {data.name}: {len(data.train.labels)} train, {len(data.test.labels)} test, "
             f"{data.num_classes} classes",
             f"method   {', '.join(f'{m} x {w:g}' for m, w in chosen(config).items())}  (gamma {config.loss.gamma:g}, "
             f"alpha {config.loss.alpha:g}, beta {config.loss.beta:g})",
             f"student  {student.name}: {student.num_params:,} parameters"]
    lines += [f"teacher  {t.name}: {t.num_params:,} parameters" for t in teachers]
    return "\n".join(lines)
