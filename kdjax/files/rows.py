"""Numbered rows of floats kept between runs: one folder, many readers, one writer at a time, every byte checked.

A folder holds parts, each written beside and renamed, never changed: sha256 of the rest (32 bytes), the length of a
JSON head (8 bytes, little-endian), the head, the numbers (int64), the rows. A part that is damaged, half or foreign is
noticed when it is opened, removed, and its rows are missing again. A disk that fails costs the keeping, not the caller.
"""
from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import time
import uuid
import warnings
from pathlib import Path

import numpy as np

from kdjax.files.checksums import Damaged

RESERVE = 1 << 30  # bytes that are left free on the disk
ABANDONED = 3600  # seconds after which an unfinished part belongs to nobody
SUFFIX, DIGEST, HEAD = ".rows", hashlib.sha256().digest_size, 8


class Rows:
    """Rows [width] of `dtype`, by number. folder: None keeps them in memory alone. key: what the rows mean, as JSON
    values; another key is another folder's."""

    def __init__(self, folder: Path | None, key: dict, width: int, dtype="float32", reserve: int = RESERVE):
        self.key, self.width, self.dtype, self.reserve = key, width, np.dtype(dtype), reserve
        self.digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
        self.folder = None if folder is None else Path(folder) / self.digest[:32]
        self.numbers = np.zeros(0, np.int64)    # sorted; beside each its part and its row there
        self.places = np.zeros((0, 2), np.int64)
        self.parts: list[np.ndarray] = []
        self.opened: set[str] = set()
        self.refresh()

    def __len__(self) -> int:
        return len(self.numbers)

    def missing(self, numbers: np.ndarray) -> np.ndarray:
        """The distinct ones that are not held, sorted."""
        wanted = np.unique(np.asarray(numbers, np.int64))
        return wanted[~self._has(wanted)]

    def take(self, numbers: np.ndarray) -> np.ndarray:
        """[n, width], one row a number; KeyError when one is missing."""
        numbers = np.asarray(numbers, np.int64)
        if not self._has(numbers).all():
            raise KeyError("a row is asked for that is not held")
        out, places = np.empty((len(numbers), self.width), self.dtype), self.places[self._at(numbers)]
        for part in np.unique(places[:, 0]):
            mine = places[:, 0] == part
            out[mine] = self.parts[part][places[mine, 1]]
        return out

    def add(self, numbers: np.ndarray, rows: np.ndarray) -> None:
        """Holds more rows, and keeps those that nobody has kept yet on the disk."""
        if self.folder is None:
            return self._hold(numbers, rows)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with self._writing():
                self.refresh()
                fresh = ~self._has(numbers)
                if fresh.any():
                    self._write(numbers[fresh], rows[fresh])
                    self.refresh()  # from the file from now on, so that memory does not grow
        except OSError as error:
            warnings.warn(f"the teacher's outputs are not kept in {self.folder} ({error.strerror or error}): free some "
                          "space, or set config.teacher.cache=memory", stacklevel=2)
        self._hold(numbers, rows)

    def refresh(self) -> None:
        """Opens what others have written since."""
        files = sorted(self.folder.glob(f"*{SUFFIX}")) if self.folder is not None and self.folder.is_dir() else []
        for file in files:
            if file.name not in self.opened:
                self.opened.add(file.name)
                with contextlib.suppress(FileNotFoundError):
                    self._open(file)

    def _open(self, file: Path) -> None:
        try:
            numbers, rows = read_part(file, self.digest, self.width, self.dtype)
        except Damaged as problem:
            warnings.warn(f"{file} is {problem}; its outputs are computed again", stacklevel=2)
            with contextlib.suppress(OSError):
                file.unlink(missing_ok=True)
        else:
            self._hold(numbers, rows)

    def _hold(self, numbers: np.ndarray, rows: np.ndarray) -> None:
        own = np.flatnonzero(~self._has(numbers))
        if not len(own):
            return
        self.parts.append(rows)
        numbers = np.concatenate([self.numbers, numbers[own]])
        places = np.concatenate([self.places, np.stack([np.full(len(own), len(self.parts) - 1), own], 1)])
        order = np.argsort(numbers, kind="stable")
        self.numbers, self.places = numbers[order], places[order]

    def _at(self, numbers: np.ndarray) -> np.ndarray:
        return np.searchsorted(self.numbers, numbers)

    def _has(self, numbers: np.ndarray) -> np.ndarray:
        at = np.minimum(self._at(numbers), max(len(self) - 1, 0))
        return self.numbers[at] == numbers if len(self) else np.zeros(len(numbers), bool)

    @contextlib.contextmanager
    def _writing(self):
        with open(self.folder / ".lock", "a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _write(self, numbers: np.ndarray, rows: np.ndarray) -> None:
        self._sweep()
        rows = np.ascontiguousarray(rows, self.dtype)
        if shutil.disk_usage(self.folder).free < self.reserve + rows.nbytes + numbers.nbytes:
            raise OSError(f"less than {self.reserve / 2**30:g} GiB would be left")
        name = f"{uuid.uuid4().hex}{SUFFIX}"
        beside = self.folder / f".{name}.tmp"
        try:
            write_part(beside, self.digest, numbers, rows)
            os.replace(beside, self.folder / name)
        finally:
            beside.unlink(missing_ok=True)
        (self.folder / "key.json").write_text(json.dumps(self.key, indent=1) + "\n")

    def _sweep(self) -> None:
        for file in self.folder.glob(f".*{SUFFIX}.tmp"):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - file.stat().st_mtime > ABANDONED:
                    file.unlink()


def write_part(file: Path, key: str, numbers: np.ndarray, rows: np.ndarray) -> None:
    """A part, durable when this returns."""
    head = json.dumps({"key": key, "count": len(numbers), "width": rows.shape[1], "dtype": rows.dtype.name}).encode()
    head += b" " * (-(DIGEST + HEAD + len(head)) % 64)  # numbers and rows begin at whole words
    body = [len(head).to_bytes(HEAD, "little"), head, numbers.astype("<i8").tobytes(), memoryview(rows).cast("B")]
    digest = hashlib.sha256()
    for piece in body:
        digest.update(piece)
    with open(file, "wb") as out:
        for piece in (digest.digest(), *body):
            out.write(piece)
        out.flush()
        os.fsync(out.fileno())


def read_part(file: Path, key: str, width: int, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    """(numbers, rows), the rows mapped from the file. Raises Damaged, with what it is, unless all of it is right."""
    data = np.memmap(file, np.uint8, "r") if file.stat().st_size else np.zeros(0, np.uint8)
    if len(data) < DIGEST + HEAD or hashlib.sha256(data[DIGEST:]).digest() != data[:DIGEST].tobytes():
        raise Damaged("damaged")
    start = DIGEST + HEAD + int.from_bytes(data[DIGEST:DIGEST + HEAD].tobytes(), "little")
    head = json.loads(data[DIGEST + HEAD:start].tobytes())
    if head != {"key": key, "count": head.get("count"), "width": width, "dtype": dtype.name}:
        raise Damaged("another cache's")
    middle = start + 8 * head["count"]
    numbers = np.frombuffer(data[start:middle].tobytes(), "<i8").astype(np.int64)
    return numbers, data[middle:].view(dtype).reshape(head["count"], width)
