"""A run's folder: its name, its JSON files, what a start that failed leaves, and what the disk refuses."""
from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from kdjax.device import processes
from kdjax.errors import UserError
from kdjax.files.atomic import atomic_write_text
from kdjax.run.names import title
from kdjax.weights.folder import is_free

TROUBLE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ENAMETOOLONG}
FILES = ("config.json", "metrics.jsonl", "result.json", "curves.png")  # what a run writes in its folder
FOLDERS = ("checkpoints", "tensorboard", "wandb")
NOTHING = {".lock", "tensorboard", "config.json"}  # what a folder may hold that is not worth keeping


def workdir(config) -> Path:
    """The run's folder: experiment.workdir, or runs/<name>."""
    name = config.experiment.name or "-".join(
        [*programme(config), *title(config), config.teacher.name or "none", config.student.name, config.data.dataset,
         f"s{config.seed}", f"t{config.experiment.trial}"]).replace("/", "_").replace(":", "_")
    folder = Path(config.experiment.workdir or Path("runs") / name)
    return folder


def programme(config) -> list[str]:
    """What a run's name says of its program, where that is more than its methods."""
    own = config.program if config.program == "double_student" else ""
    return [word for word in (own, config.mix.mode) if word]


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


def check_contents(folder: Path, exports: Iterable[str] = ("student",)) -> None:
    """Refuses a folder where something of another kind, or of another owner, stands in the place of what a run will
    write, now instead of after all training. exports: the networks that it will leave."""
    exports = list(exports)
    for path in [folder / name for name in (*FILES, *(f"{name}.pth" for name in exports))]:
        if path.is_dir():
            raise UserError(f"{path} is a folder, where the run will write a file; move it away, or choose another "
                            "--workdir")
    for path in [folder, *(folder / name for name in FOLDERS)]:
        if path.exists() and not path.is_dir():
            raise UserError(f"{path} is a file, where the run needs a folder; move it away, or choose another "
                            "--workdir")
    for path in [folder / name for name in exports]:
        if not is_free(path):
            raise UserError(f"{path} is not a network of this run, which would be written there; move it away, or "
                            "choose another --workdir")


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
