"""Decoded data kept between runs: one file a source, replaced when the source changes, checked whenever it is read."""

import hashlib
import json
import os
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

from kdjax.data.types import Raw, Split

FORMAT = 2  # raise when decoding changes
ABANDONED = 3600  # seconds after which an unfinished file belongs to nobody


def folder(configured: str | None) -> Path:
    """`configured`, else KDJAX_CACHE, else ~/.cache/kdjax."""
    return Path(configured or os.environ.get("KDJAX_CACHE") or Path.home() / ".cache" / "kdjax").expanduser()


def cached(where: Path, source: Path, files: list[Path], options: dict, build: Callable[[], Raw]) -> Raw:
    """`build()`, or what it returned when `files` had the same names, sizes and modification times.

    The cache file is named after the source's path and the options, so a changed source replaces it. A damaged file
    is rebuilt; a folder that cannot be written costs a warning, never the run.
    """
    identity = json.dumps([os.fspath(source.resolve()), options], sort_keys=True)
    label = "-".join(source.resolve().parts[-2:]).replace("/", "")
    path = where / f"{label}-{hashlib.sha256(identity.encode()).hexdigest()[:16]}.npz"
    fingerprint = _fingerprint(identity, source, files)
    raw = _read(path, fingerprint)
    if raw is None:
        raw = build()
        _write(path, fingerprint, raw)
    return raw


def _fingerprint(identity: str, source: Path, files: list[Path]) -> str:
    stats = [(os.path.relpath(file, source), file.stat()) for file in files]
    lines = [f"{name} {stat.st_size} {stat.st_mtime_ns}" for name, stat in stats]
    return hashlib.sha256("\n".join([str(FORMAT), identity, *lines]).encode()).hexdigest()


def _read(path: Path, fingerprint: str) -> Raw | None:
    """None for no file, another fingerprint, or damage: the zip's CRC-32 covers every byte of every array."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            meta = json.loads(str(stored["meta"]))
            if meta["fingerprint"] != fingerprint:
                return None
            train, test = (Split(stored[f"{name}_images"], stored[f"{name}_labels"]) for name in ("train", "test"))
            return Raw(meta["name"], train, test, meta["num_classes"], meta["stats"], tuple(meta["classes"]),
                       tuple(meta["notes"]))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except Exception:  # damage can surface anywhere between the zip directory and the array headers
        warnings.warn(f"the cached data {path} is damaged and is built again", stacklevel=2)
        return None


def _write(path: Path, fingerprint: str, raw: Raw) -> None:
    meta = dict(fingerprint=fingerprint, name=raw.name, num_classes=raw.num_classes, stats=raw.stats,
                classes=raw.classes, notes=raw.notes)
    beside = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path.parent)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".building-", suffix=".npz", delete=False) as file:
            beside = Path(file.name)
            np.savez(file, meta=np.array(json.dumps(meta)), train_images=raw.train.images,
                     train_labels=raw.train.labels, test_images=raw.test.images, test_labels=raw.test.labels)
        os.replace(beside, path)
    except OSError as error:
        warnings.warn(f"decoded data is not cached in {path.parent} ({error.strerror}): set data.cache_dir",
                      stacklevel=2)
    finally:
        if beside is not None:
            beside.unlink(missing_ok=True)


def _sweep(where: Path) -> None:
    """Removes what killed runs left half written."""
    for file in where.glob(".building-*.npz"):
        if time.time() - file.stat().st_mtime > ABANDONED:
            file.unlink(missing_ok=True)
