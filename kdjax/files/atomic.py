"""Files that are either whole or not there: write beside, flush to the disk, rename.

After a crash, a SIGKILL or a power cut the path holds the old contents or the new ones, never a mixture.
"""

import os
from pathlib import Path


def atomic_write_bytes(path: str | os.PathLike, data: bytes) -> None:
    """Replaces the contents of `path` with `data`; returns when they are durable.

    The folder must exist. Raises OSError (disk full, read-only, ...) and then leaves `path` as it was.
    """
    path = Path(path)
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(beside, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    fsync_folder(path.parent)


def atomic_write_text(path: str | os.PathLike, text: str) -> None:
    """`atomic_write_bytes` of the UTF-8 text."""
    atomic_write_bytes(path, text.encode("utf-8"))


def fsync_folder(path: str | os.PathLike) -> None:
    """Makes the names in a folder (creations, renames, removals) durable."""
    _fsync(path)


def fsync_tree(folder: str | os.PathLike) -> None:
    """Makes every file and every name under `folder` durable; for a folder that other code wrote."""
    for parent, _, files in os.walk(folder, topdown=False):
        for name in files:
            _fsync(os.path.join(parent, name))
        _fsync(parent)


def _fsync(path: str | os.PathLike) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
