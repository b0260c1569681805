"""A run's checkpoints: durable when `save` returns, verified when `restore` reads, never silently wrong.

    checkpoints/120/arrays/     the leaves, written by orbax
    checkpoints/120/MANIFEST    sha256 of every file and of every leaf, the meta data, and a sha256 of all that
    checkpoints/damaged/        steps that failed verification, out of the way

Orbax's arrays are kept, its CheckpointManager is not: it counts any folder with a number for a name as the latest
step, cannot save a step twice, and restores flipped bits. Here a step is a folder that appears by one rename, after
its manifest is written and everything is flushed. Steps are ordered by number; clocks do not matter.
"""

import errno
import math
import os
import re
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from jax.experimental import multihost_utils

from kdjax.errors import UserError
from kdjax.io.atomic import atomic_write_bytes, fsync_folder, fsync_tree
from kdjax.io.checksums import Damaged, check_files, describe, list_files, seal, unseal
from kdjax.io.leaves import EMPTY, like, nested, to_host

MANIFEST, ARRAYS, HALF, DAMAGED = "MANIFEST", "arrays", ".tmp-", "damaged"
VERSION = 1
DAMAGED_KEPT = 2
PER_LEAF = 4096  # bytes on the disk that a leaf may take beside its values
STEP_NAME = re.compile(r"(0|[1-9][0-9]*)(?:\.([1-9][0-9]*))?")  # "120", and "120.1" when step 120 is saved again


class RunCheckpoints:
    """The newest `keep` steps of a run and its best one, in `folder` (made by the first save).

    In a multi-process run every process calls each method; process 0 writes, and all read the same (shared) folder.
    """

    def __init__(self, folder: str | os.PathLike, keep: int = 2):
        if keep < 1:
            raise UserError(f"checkpoint.keep is {keep}: keep at least one step")
        self.folder = Path(folder).absolute()
        self.keep = keep

    def save(self, step: int, tree: Any, meta: dict, best: float | None = None) -> None:
        """Stores `tree` as `step`; when it returns, the step survives a power cut. A step saved again is replaced.

        tree: nested dicts (string keys) of jax or numpy arrays and Python scalars; see `leaves.to_host`.
        meta: anything JSON can hold. best: this step's score, higher is better; the highest is kept (first on ties).
        Raises UserError when the disk is full or not writable; earlier steps are then as they were.
        """
        leaves = to_host(tree)
        _from_process_0(lambda: self._write(int(step), leaves, meta, best), f"save step {step}")

    def restore(self, template: Any = None, step: int | None = None) -> tuple[int, Any, dict] | None:
        """(step, tree, meta) of the newest good step, or of `step` alone; None when there is none.

        Leaves are numpy arrays, bit-identical to the saved ones. With a `template` the tree has its structure (any
        pytree), without one it is nested dicts. Damaged steps are moved to damaged/ with a warning that names the
        file or leaf. Raises UserError when the tree does not fit the template.
        """
        read: dict[str, tuple] = {}
        name = _from_process_0(lambda: self._newest_good(step, read), "restore a checkpoint")
        if not name:
            return None
        try:
            manifest, leaves = read.get(name) or self._read(name)
            tree = nested(leaves) if template is None else like(template, leaves)
        except ValueError as difference:
            raise UserError(f"{self.folder / name} belongs to another kind of run ({difference}): "
                            "use its own config, or another --workdir") from None
        except Damaged as damage:
            raise UserError(f"Process {jax.process_index()} cannot read {self.folder / name} as process 0 does "
                            f"({damage}): put the run folder on a disk that all processes share") from None
        return manifest["step"], tree, manifest["meta"]

    def latest_step(self) -> int | None:
        """The newest complete step (manifest good, files there); its contents are verified by `restore` only."""
        return max((manifest["step"] for manifest in self._complete().values()), default=None)

    def best_step(self) -> int | None:
        """The complete step with the highest `best`, the earliest of equals."""
        scored = [m for m in self._complete().values() if m["best"] is not None]
        return max(scored, key=lambda m: (m["best"], -m["step"]))["step"] if scored else None

    def wait(self) -> None:
        """Returns when all saves are durable: at once, as `save` itself waits."""

    def close(self) -> None:
        """Nothing is held open between calls; here so that callers need not know."""

    def _write(self, step: int, leaves: dict, meta: dict, best: float | None) -> str:
        half = self.folder / f"{HALF}{step}"
        arrays = {name: leaf for name, leaf in leaves.items() if leaf is not EMPTY and leaf.size}
        manifest = {"version": VERSION, "step": step, "best": None if best is None or math.isnan(best) else float(best),
                    "meta": meta, "leaves": {n: EMPTY if x is EMPTY else describe(x) for n, x in leaves.items()}}
        seal(manifest)  # a meta that is not JSON is the caller's mistake: raise before anything is written
        try:
            half.parent.mkdir(parents=True, exist_ok=True)
            self._clear_half_written()
            half.mkdir()
            _reserve(half / "reserve", sum(x.nbytes + PER_LEAF for x in arrays.values()))
            if arrays:  # orbax refuses an empty tree and arrays without elements; the manifest alone holds those
                with _orbax() as checkpointer:
                    checkpointer.save(half / ARRAYS, arrays)
            atomic_write_bytes(half / MANIFEST, seal(manifest | {"files": list_files(half)}))
            fsync_tree(half)
            name = self._free_name(step)
            half.rename(self.folder / name)
            fsync_folder(self.folder)
            self._prune(name)
        except Exception as error:
            self._clear_half_written()
            raise self._explained(error, sum(x.nbytes for x in arrays.values())) from error
        return name

    def _newest_good(self, step: int | None, read: dict) -> str:
        for name in self._names():
            if step is not None and _order(name)[0] != step:
                continue
            try:
                read[name] = self._read(name)
                return name
            except Damaged as damage:
                self._set_aside(name, damage)
        return ""

    def _read(self, name: str) -> tuple[dict, dict]:
        """(manifest, verified leaves). Orbax sees only files whose checksums agree."""
        manifest = self._manifest(name)
        try:
            check_files(self.folder / name, manifest["files"])
            arrays = {}
            if any(file.startswith(ARRAYS + "/") for file in manifest["files"]):
                with _orbax() as checkpointer:
                    arrays = checkpointer.restore(self.folder / name / ARRAYS)
        except (Damaged, MemoryError):
            raise
        except PermissionError as error:
            raise UserError(f"Cannot read the checkpoint {self.folder / name} ({error.strerror}): "
                            "make it readable") from error
        except Exception as error:
            raise Damaged(f"it cannot be read ({_first_line(error)})") from error
        return manifest, {leaf: _verified(leaf, entry, arrays) for leaf, entry in manifest["leaves"].items()}

    def _manifest(self, name: str) -> dict:
        try:
            manifest = unseal((self.folder / name / MANIFEST).read_bytes())
        except PermissionError as error:
            raise UserError(f"Cannot read {self.folder / name / MANIFEST} ({error.strerror}): "
                            "make it readable") from error
        except OSError as error:
            raise Damaged(f"file {MANIFEST}: {error.strerror}") from None
        except Damaged as damage:
            raise Damaged(f"file {MANIFEST}: {damage}") from None
        if manifest["version"] != VERSION:
            raise UserError(f"{self.folder / name} has format {manifest['version']}, this kdjax reads {VERSION}: "
                            "use the kdjax that wrote it")
        if manifest["step"] != _order(name)[0]:
            raise Damaged(f"file {MANIFEST} is that of step {manifest['step']}")
        return manifest

    def _names(self) -> list[str]:
        """Names of the folders that may be steps, newest first."""
        if not self.folder.is_dir():
            return []
        with os.scandir(self.folder) as entries:
            names = [e.name for e in entries if STEP_NAME.fullmatch(e.name) and e.is_dir(follow_symlinks=False)]
        return sorted(names, key=_order, reverse=True)

    def _complete(self) -> dict[str, dict]:
        """{name: manifest} of the complete steps, newest first."""
        found = {}
        for name in self._names():
            try:
                manifest = self._manifest(name)
                check_files(self.folder / name, manifest["files"], contents=False)
            except Damaged:
                continue
            found[name] = manifest
        return found

    def _free_name(self, step: int) -> str:
        taken = [_order(name)[1] for name in self._names() if _order(name)[0] == step]
        return f"{step}.{max(taken) + 1}" if taken else str(step)

    def _prune(self, just_saved: str) -> None:
        newest_of_step: dict[int, str] = {}
        complete = self._complete()
        for name, manifest in complete.items():
            newest_of_step.setdefault(manifest["step"], name)
        kept = {just_saved, *list(newest_of_step.values())[: self.keep], newest_of_step.get(self.best_step())}
        for name in complete.keys() - kept:
            self._remove(self.folder / name)

    def _remove(self, folder: Path) -> None:
        # Renamed first, so that a kill in the middle leaves something that is plainly not a step.
        leaving = self.folder / f"{HALF}removed-{folder.name}"
        folder.rename(leaving)
        shutil.rmtree(leaving, ignore_errors=True)

    def _clear_half_written(self) -> None:
        for path in self.folder.glob(f"{HALF}*"):
            shutil.rmtree(path, ignore_errors=True)

    def _set_aside(self, name: str, damage: Damaged) -> None:
        source, damaged = self.folder / name, self.folder / DAMAGED
        try:
            damaged.mkdir(exist_ok=True)
            target = next(t for k in range(1000) if not (t := damaged / (f"{name}-{k}" if k else name)).exists())
            source.rename(target)
            for old in sorted((p for p in damaged.iterdir() if p != target), key=_trailing_numbers)[: 1 - DAMAGED_KEPT]:
                self._remove(old)
        except FileNotFoundError:
            return  # a running trainer removed the step while we were reading it
        except OSError as error:
            warnings.warn(f"Checkpoint {source} is damaged: {damage}. It is passed over, and could not be moved "
                          f"to {DAMAGED}/ ({error.strerror}).", stacklevel=4)
            return
        warnings.warn(f"Checkpoint {source} is damaged: {damage}. It was moved to {target}; "
                      "the newest good step is used.", stacklevel=4)

    def _explained(self, error: Exception, size: int) -> Exception:
        """A UserError for what a disk does to us; any other error as it is."""
        codes, text = _codes(error)
        last = self.latest_step()
        kept = "no step is saved yet" if last is None else f"step {last} is saved"
        if codes & {errno.ENOSPC, errno.EDQUOT} or "No space left" in text or "quota exceeded" in text:
            return UserError(f"The disk of {self.folder} is full (a checkpoint needs about {size / 1e6:.0f} MB): free "
                             f"some space and run the same command again ({kept}).")
        if codes or "Read-only file system" in text or "Permission denied" in text:
            return UserError(f"Cannot write a checkpoint in {self.folder} ({_first_line(error)}): make the folder "
                             f"writable or choose another --workdir ({kept}).")
        return error


def _orbax() -> ocp.Checkpointer:
    """Orbax for this process alone: the other processes wait at our barrier, not at its."""
    me = jax.process_index()
    alone = ocp.options.MultiprocessingOptions(
        primary_host=me, active_processes={me}, barrier_sync_key_prefix=f"kdjax{me}"
    )
    handler = ocp.PyTreeCheckpointHandler(multiprocessing_options=alone)
    return ocp.Checkpointer(handler, multiprocessing_options=alone)


def _reserve(path: Path, size: int) -> None:
    # Asking first: orbax meets a full disk with hundreds of lines of tracebacks from its threads.
    with open(path, "wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(size, 1))
    path.unlink()


def _from_process_0(action: Callable[[], str], what: str) -> str:
    """The name that `action` returns on process 0, on every process; a failure there raises everywhere."""
    name, failure = "", None
    if jax.process_index() == 0:
        try:
            name = action()
        except Exception as error:  # noqa: BLE001  raised below, after the other processes know
            name, failure = "!", error
    if jax.process_count() > 1:
        text = np.frombuffer(name.encode().ljust(64), np.uint8)
        name = bytes(np.asarray(multihost_utils.broadcast_one_to_all(text))).decode().strip()
    if failure is not None:
        raise failure
    if name == "!":
        raise UserError(f"Process 0 could not {what}: see its message.")
    return name


def _verified(name: str, entry: Any, arrays: dict) -> Any:
    if entry == EMPTY:
        return EMPTY
    array = arrays.get(name)
    if 0 in entry["shape"]:
        array = np.zeros(entry["shape"], jax.numpy.dtype(entry["dtype"]))
    if not isinstance(array, np.ndarray) or describe(array) != entry:
        raise Damaged(f"leaf {name} was not restored as it was saved")
    return array


def _order(name: str) -> tuple[int, int]:
    step, again = STEP_NAME.fullmatch(name).groups()
    return int(step), int(again or 0)


def _trailing_numbers(path: Path) -> list[int]:
    return [int(number) for number in re.findall(r"[0-9]+", path.name)]


def _codes(error: BaseException | None) -> tuple[set[int], str]:
    """The errno values and the text of an error and of what led to it."""
    codes, text = set(), ""
    while error is not None:
        codes |= {error.errno} if isinstance(error, OSError) and error.errno else set()
        text += str(error)
        error = error.__cause__ or error.__context__
    return codes, text


def _first_line(error: BaseException) -> str:
    return (getattr(error, "strerror", None) or str(error).strip() or type(error).__name__).splitlines()[0][:200]
