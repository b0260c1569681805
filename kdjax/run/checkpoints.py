"""A run's checkpoints: durable when `save` returns, verified when `restore` reads, never silently wrong.

    checkpoints/120/arrays/     the leaves, written by orbax
    checkpoints/120/MANIFEST    sha256 of every file and of every leaf, the meta data, and a sha256 of all that
    checkpoints/damaged/        steps that failed verification, out of the way

Orbax's arrays are kept, its CheckpointManager is not: it counts any folder with a number for a name as the latest
step, cannot save a step twice, and restores flipped bits. Here a step is a folder that appears by one rename, after
its manifest is written and everything is flushed.
"""

import math
import os
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from jax.experimental import multihost_utils

from kdjax.errors import UserError
from kdjax.files.atomic import atomic_write_bytes, fsync_folder, fsync_tree
from kdjax.files.checksums import Damaged, check_files, describe, list_files, seal
from kdjax.files.disk import explained, first_line, reserve
from kdjax.run.leaves import EMPTY, like, nested, to_host
from kdjax.run.step_folders import HALF, MANIFEST, VERSION, StepFolders, order

ARRAYS = "arrays"
PER_LEAF = 4096  # bytes on the disk that a leaf may take beside its values


class RunCheckpoints:
    """The newest `keep` steps of a run and its best one, in `folder` (made by the first save).

    In a multi-process run every process calls `save` and `restore`; process 0 writes, all read the same shared folder.
    """

    def __init__(self, folder: str | os.PathLike, keep: int = 2):
        if keep < 1:
            raise UserError(f"config.checkpoint.keep is {keep}: keep at least one step")
        self.steps = StepFolders(folder)
        self.folder = self.steps.folder
        self.keep = keep

    def save(self, step: int, tree: Any, meta: dict, best: float | None = None) -> None:
        """Stores `tree` as `step`; when it returns, the step survives a power cut. A step saved again is replaced.

        tree: nested dicts (string keys) of jax or numpy arrays and Python scalars; see `leaves.to_host`.
        meta: anything JSON can hold. best: this step's score, higher is better, or the best so far: the first step with
        the highest is kept.
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
        name = self.steps.latest()
        return None if name is None else order(name)[0]

    def best_step(self) -> int | None:
        """The complete step with the highest score."""
        name = self.steps.best()
        return None if name is None else order(name)[0]

    def wait(self) -> None:
        """Returns when all saves are durable: at once, as `save` itself waits."""

    def close(self) -> None:
        """Nothing is held open between calls; here so that callers need not know."""

    def _write(self, step: int, leaves: dict, meta: dict, best: float | None) -> str:
        half, size = self.folder / f"{HALF}{step}", sum(x.nbytes for x in leaves.values() if x is not EMPTY)
        manifest = {"version": VERSION, "step": step, "best": None if best is None or math.isnan(best) else float(best),
                    "meta": meta, "leaves": {n: EMPTY if x is EMPTY else describe(x) for n, x in leaves.items()}}
        seal(manifest)  # a meta that is not JSON is the caller's mistake: raise before anything is written
        try:
            half.parent.mkdir(parents=True, exist_ok=True)
            self.steps.clear_half_written()
            half.mkdir()
            # Asking first: orbax meets a full disk with hundreds of lines of tracebacks from its threads.
            reserve(half / "reserve", size + PER_LEAF * len(leaves))
            _write_arrays(half / ARRAYS, leaves)
            atomic_write_bytes(half / MANIFEST, seal(manifest | {"files": list_files(half)}))
            fsync_tree(half)
            name = self.steps.free_name(step)
            half.rename(self.folder / name)
            fsync_folder(self.folder)
            self.steps.prune(self.keep, name)
        except Exception as error:
            self.steps.clear_half_written()
            last = self.latest_step()
            kept = "no step is saved yet" if last is None else f"step {last} is saved"
            raise explained(error, self.folder, size, kept) from error
        return name

    def _newest_good(self, step: int | None, read: dict) -> str:
        for name in self.steps.names():
            if step is not None and order(name)[0] != step:
                continue
            try:
                read[name] = self._read(name)
            except Damaged as damage:
                self.steps.set_aside(name, damage)
            else:
                return name
        return ""

    def _read(self, name: str) -> tuple[dict, dict]:
        """(manifest, verified leaves). Orbax sees only files whose checksums agree."""
        manifest = self.steps.manifest(name)
        try:
            check_files(self.folder / name, manifest["files"])
            has_arrays = any(file.startswith(ARRAYS + "/") for file in manifest["files"])
            arrays = _orbax().restore(self.folder / name / ARRAYS) if has_arrays else {}
        except (Damaged, MemoryError):
            raise
        except PermissionError as error:
            raise UserError(f"Cannot read the checkpoint {self.folder / name} ({error.strerror}): "
                            "make it readable") from error
        except Exception as error:
            raise Damaged(f"it cannot be read ({first_line(error)})") from error
        return manifest, {leaf: _verified(leaf, entry, arrays) for leaf, entry in manifest["leaves"].items()}


def _orbax() -> ocp.Checkpointer:
    """Orbax for this process alone: the other processes wait at our barrier, not at its."""
    me = jax.process_index()
    alone = ocp.options.MultiprocessingOptions(
        primary_host=me, active_processes={me}, barrier_sync_key_prefix=f"kdjax{me}"
    )
    handler = ocp.PyTreeCheckpointHandler(multiprocessing_options=alone)
    return ocp.Checkpointer(handler, multiprocessing_options=alone)


def _write_arrays(path: os.PathLike, leaves: dict[str, Any]) -> None:
    # Orbax refuses arrays without elements and empty trees (the manifest alone holds those), and mixes up the leaves
    # of {"a.b": x} and {"a": {"b": y}}: it gets a flat dict.
    arrays = {name: leaf for name, leaf in leaves.items() if leaf is not EMPTY and leaf.size}
    if arrays:
        _orbax().save(path, arrays)


def _verified(name: str, entry: Any, arrays: dict[str, Any]) -> Any:
    if entry == EMPTY:
        return EMPTY
    array = arrays.get(name)
    if 0 in entry["shape"]:
        array = np.zeros(entry["shape"], jax.numpy.dtype(entry["dtype"]))
    if not isinstance(array, np.ndarray) or describe(array) != entry:
        raise Damaged(f"leaf {name} was not restored as it was saved")
    return array


def _from_process_0(action: Callable[[], str], what: str) -> str:
    """The name that `action` returns on process 0, on every process; a failure there raises everywhere."""
    name, failure = "", None
    if jax.process_index() == 0:
        try:
            name = action()
        except Exception as error:  # raised below, after the other processes know
            name, failure = "!", error
    if jax.process_count() > 1:
        text = np.frombuffer(name.encode().ljust(64), np.uint8)
        name = bytes(np.asarray(multihost_utils.broadcast_one_to_all(text))).decode().strip()
    if failure is not None:
        raise failure
    if name == "!":
        raise UserError(f"Process 0 could not {what}: see its message")
    return name
