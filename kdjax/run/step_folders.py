"""The folders of a run's checkpoints: which are steps, which is the newest, what must go.

A step is a folder with a number for a name and an intact MANIFEST inside, a sealed JSON document:

    version, step, best, meta     best: the step's score or null
    files                         {relative path: [bytes, sha256]} of everything else in the folder
    leaves                        {leaf name: {dtype, shape, sha256} or "empty"}

Steps are ordered by number; clocks do not matter. "120.1" is step 120 saved again, newer than "120".
"""

import os
import re
import shutil
import warnings
from pathlib import Path, PurePosixPath

from kdjax.errors import UserError
from kdjax.files.checksums import Damaged, check_files, unseal
from kdjax.run.leaves import DTYPES, EMPTY

MANIFEST, HALF, DAMAGED = "MANIFEST", ".tmp-", "damaged"
VERSION = 1
DAMAGED_KEPT = 2
NAME = re.compile(r"(0|[1-9][0-9]*)(?:\.([1-9][0-9]*))?")


def order(name: str) -> tuple[int, int]:
    """(step, how many times it was saved before) of a step folder's name."""
    step, again = NAME.fullmatch(name).groups()
    return int(step), int(again or 0)


class StepFolders:
    """The steps in `folder`, which need not exist."""

    def __init__(self, folder: str | os.PathLike):
        self.folder = Path(folder).absolute()

    def names(self) -> list[str]:
        """Names of the folders that may be steps, newest first."""
        if not self.folder.is_dir():
            return []
        with os.scandir(self.folder) as entries:
            names = [e.name for e in entries if NAME.fullmatch(e.name) and e.is_dir(follow_symlinks=False)]
        return sorted(names, key=order, reverse=True)

    def manifest(self, name: str) -> dict:
        """The manifest of a step. Raises Damaged, or UserError for one that is not ours to judge."""
        path = self.folder / name / MANIFEST
        try:
            manifest = unseal(path.read_bytes())
        except PermissionError as error:
            raise UserError(f"Cannot read {path} ({error.strerror}): make it readable") from error
        except OSError as error:
            raise Damaged(f"file {MANIFEST}: {error.strerror}") from None
        except Damaged as damage:
            raise Damaged(f"file {MANIFEST}: {damage}") from None
        if not isinstance(manifest, dict) or type(manifest.get("version")) is not int:
            raise Damaged(f"file {MANIFEST} is no manifest")
        if manifest["version"] != VERSION:
            raise UserError(f"{path} has format {manifest['version']}, this kdjax reads {VERSION}: use the kdjax that "
                            "wrote it")
        if manifest.get("step") != order(name)[0]:
            raise Damaged(f"file {MANIFEST} is that of step {str(manifest.get('step'))[:20]}")
        if wrong := _wrong(manifest):
            raise Damaged(f"file {MANIFEST} is not as kdjax writes it: {wrong}")
        return manifest

    def complete(self) -> dict[str, dict]:
        """{name: manifest} of the steps with an intact manifest and all files in their sizes, newest first."""
        found = {}
        for name in self.names():
            try:
                manifest = self.manifest(name)
                check_files(self.folder / name, manifest["files"], contents=False)
            except Damaged:
                continue
            found[name] = manifest
        return found

    def latest(self) -> str | None:
        """The newest complete step's name."""
        return next(iter(self.complete()), None)

    def best(self) -> str | None:
        """The name of the complete step with the highest score, the earliest step of equals."""
        scored = {name: (m["best"], -m["step"]) for name, m in self.complete().items() if m["best"] is not None}
        return max(scored, key=scored.get, default=None)

    def free_name(self, step: int) -> str:
        """The name under which to save `step` so that it is newer than all that is there of it."""
        taken = [order(path.name)[1] for path in self.folder.iterdir()  # files too: nothing may stand in the way
                 if NAME.fullmatch(path.name) and order(path.name)[0] == step]
        return f"{step}.{max(taken) + 1}" if taken else str(step)

    def prune(self, keep: int, just_saved: str) -> None:
        """Removes complete steps other than the newest `keep`, the best one and `just_saved`."""
        newest_of: dict[int, str] = {}
        complete = self.complete()
        for name, manifest in complete.items():
            newest_of.setdefault(manifest["step"], name)
        kept = {just_saved, *list(newest_of.values())[:keep]}
        if (best := self.best()) is not None:
            kept.add(newest_of[complete[best]["step"]])
        for name in complete.keys() - kept:
            self.remove(self.folder / name)

    def remove(self, path: Path) -> None:
        """Removes a folder; renamed first, so that a kill in the middle leaves something that is plainly no step."""
        leaving = self.folder / f"{HALF}removed-{path.name}"
        path.rename(leaving)
        shutil.rmtree(leaving, ignore_errors=True)

    def clear_half_written(self) -> None:
        """Removes what an interrupted save or removal left."""
        for path in self.folder.glob(f"{HALF}*"):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    def set_aside(self, name: str, damage: Damaged) -> None:
        """Moves a step to damaged/, which holds the last few, and warns; where it cannot be moved, only warns."""
        source, damaged = self.folder / name, self.folder / DAMAGED
        outcome = f"It was moved to {DAMAGED}/"
        try:
            damaged.mkdir(exist_ok=True)
            target = next(t for k in range(1000) if not (t := damaged / (f"{name}-{k}" if k else name)).exists())
            source.rename(target)
            others = sorted((path for path in damaged.iterdir() if path != target), key=_numbers)
            for old in others[: max(0, len(others) + 1 - DAMAGED_KEPT)]:
                self.remove(old)
        except FileNotFoundError:
            return  # a running trainer removed the step while we were reading it
        except OSError as error:
            outcome = f"It could not be moved to {DAMAGED}/ ({error.strerror})"
        warnings.warn(f"The checkpoint {source} is damaged: {damage}. {outcome}; an earlier good step is used instead, "
                      "if there is one.", stacklevel=2)


def _wrong(manifest: dict) -> str:
    """What in a manifest is not as `RunCheckpoints` writes it; "" for a good one. Anybody can seal a document."""
    files, leaves = manifest.get("files"), manifest.get("leaves")
    if not (isinstance(files, dict) and isinstance(leaves, dict) and "meta" in manifest):
        return "files, leaves or meta are missing"
    if not all(_is_inside(name) and isinstance(e, list) and [*map(type, e)] == [int, str] for name, e in files.items()):
        return "files"
    above = {name[:at] for name in leaves for at, sign in enumerate(name) if sign == "/"}
    if above & leaves.keys() or not all(entry == EMPTY or _is_leaf(entry) for entry in leaves.values()):
        return "leaves"
    return "" if isinstance(manifest.get("best"), int | float | None) else "best"


def _is_inside(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and "\0" not in name


def _is_leaf(entry) -> bool:
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "sha256"}:
        return False
    dtype, shape = entry["dtype"], entry["shape"]
    sizes = isinstance(shape, list) and all(type(n) is int and n >= 0 for n in shape)
    return sizes and isinstance(dtype, str) and dtype in DTYPES


def _numbers(path: Path) -> list[int]:
    return [int(number) for number in re.findall(r"[0-9]+", path.name)]
