"""Compiled programs kept between runs, in place of JAX's own files: checked, bounded, safe for many processes.

JAX writes its files in place and never checks them: a killed writer leaves half a program, and a flipped bit is machine
code. Here an entry is written beside and renamed, and carries its sha256. What cannot be kept costs time, never a run.
"""
from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import tempfile
import time
import warnings
from pathlib import Path

import jax
from jax._src import compilation_cache
from jax._src.compilation_cache_interface import CacheInterface

from kdjax.device.start import STARTED

LIMIT = 2 << 30  # bytes in the folder; the programs longest unused go first
ABANDONED = 3600  # seconds after which an unfinished file belongs to nobody
SUFFIX, UNFINISHED, DIGEST = ".program", ".compiling-", hashlib.sha256().digest_size


def install() -> None:
    """Makes JAX keep its programs here, when the command chose the folder (kdjax.device.start)."""
    if "JAX_COMPILATION_CACHE_DIR" in os.environ.get(STARTED, "").split() and jax.config.jax_compilation_cache_dir:
        compilation_cache.get_file_cache = lambda path: (Programs(path), path)


class Programs(CacheInterface):
    """A folder of programs by JAX's key, one set a kind of CPU: code for another one would not run."""

    def __init__(self, path: str, limit: int = LIMIT):
        self.path, self._path, self.limit, self.machine = Path(path), Path(path), limit, machine()

    def file(self, key: str) -> Path:
        """Where a program lies."""
        return self.path / f"{key}-{self.machine}{SUFFIX}"

    def get(self, key: str) -> bytes | None:
        """The program, or None: never kept, unreadable, or not what was written (then it is removed)."""
        file = self.file(key)
        try:
            data = file.read_bytes()
            if data[:DIGEST] == _digest(key, data[DIGEST:]):
                os.utime(file)
                return data[DIGEST:]
            warnings.warn(f"the compiled program {file} is damaged and is compiled again", stacklevel=2)
            file.unlink(missing_ok=True)
        except OSError:
            pass
        return None

    def put(self, key: str, value: bytes) -> None:
        """Keeps a program, making room for it."""
        beside = None
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            if not self._room(len(value) + DIGEST):
                return
            with tempfile.NamedTemporaryFile(dir=self.path, prefix=UNFINISHED, delete=False) as out:
                beside = Path(out.name)
                out.write(_digest(key, value) + value)
            os.replace(beside, self.file(key))
        except OSError as error:
            warnings.warn(f"compiled programs are not kept in {self.path} ({error.strerror}): set "
                          "KDJAX_COMPILATION_CACHE to another folder, or to off", stacklevel=2)
            if beside is not None:
                _remove(beside)

    def _room(self, size: int) -> bool:
        """Removes the longest unused until `size` more bytes fit; False when they never would."""
        now, held = time.time(), []
        for entry in os.scandir(self.path):
            try:
                status = entry.stat(follow_symlinks=False)
            except OSError:  # another process removed it
                continue
            if entry.name.endswith(SUFFIX):
                held.append((status.st_mtime, status.st_size, Path(entry.path)))
            elif entry.name.startswith(UNFINISHED) and now - status.st_mtime > ABANDONED:
                _remove(Path(entry.path))
        total = sum(bytes_ for _, bytes_, _ in held)
        for _, bytes_, file in sorted(held):
            if total + size <= self.limit:
                break
            _remove(file)
            total -= bytes_
        return total + size <= self.limit


def machine() -> str:
    """Sixteen digits that differ between kinds of CPU."""
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
        features = next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
    except OSError:
        features = platform.processor()
    return hashlib.sha256(f"{platform.machine()} {features}".encode()).hexdigest()[:16]


def _digest(key: str, value: bytes) -> bytes:
    return hashlib.sha256(key.encode() + b"\0" + value).digest()


def _remove(file: Path) -> None:
    with contextlib.suppress(OSError):
        file.unlink(missing_ok=True)
