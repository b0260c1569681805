"""Checksums: of arrays, of the files in a folder, and of a small JSON document that carries its own."""

import hashlib
import json
import os
import stat
from pathlib import Path

import numpy as np


class Damaged(Exception):
    """Stored bytes are not those that were written. The message names the file or the leaf."""


def describe(array: np.ndarray) -> dict:
    """{"dtype", "shape", "sha256"} of an array; two arrays with equal descriptions are bit-identical."""
    raw = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    return {"dtype": array.dtype.name, "shape": list(array.shape), "sha256": hashlib.sha256(raw).hexdigest()}


def list_files(folder: str | os.PathLike) -> dict[str, list]:
    """{relative path: [bytes, sha256]} of every file under `folder`."""
    folder = Path(folder)
    files = sorted(Path(parent, name) for parent, _, names in os.walk(folder) for name in names)
    return {file.relative_to(folder).as_posix(): _fingerprint(file) for file in files}


def check_files(folder: str | os.PathLike, files: dict[str, list], contents: bool = True) -> None:
    """Raises Damaged unless every listed file is there, regular, and of its size and (with `contents`) its sha256.

    Files that are not listed are of no concern. `files` is as `list_files` returned it.
    """
    for name, (size, digest) in files.items():
        path = Path(folder, name)
        try:
            status = path.lstat()
        except (FileNotFoundError, NotADirectoryError):
            raise Damaged(f"file {name} is missing") from None
        if not stat.S_ISREG(status.st_mode):
            raise Damaged(f"file {name} is not a regular file")
        if status.st_size != size:
            raise Damaged(f"file {name} has {status.st_size} bytes instead of {size}")
        if contents and _fingerprint(path)[1] != digest:
            raise Damaged(f"file {name} has changed since it was written (wrong sha256)")


def seal(document: dict) -> bytes:
    """The document as JSON (numpy scalars and arrays as plain numbers), under a line with the sha256 of its bytes."""
    body = json.dumps(document, default=lambda value: value.tolist()).encode() + b"\n"
    return hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def unseal(data: bytes) -> dict:
    """The inverse of `seal`; raises Damaged when a single bit differs. Nothing is parsed before the checksum agrees."""
    checksum, _, body = data.partition(b"\n")
    if checksum != hashlib.sha256(body).hexdigest().encode():
        raise Damaged("wrong sha256")
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:  # a checksum is no proof of a good hand
        raise Damaged(f"no document ({type(error).__name__})") from None


def _fingerprint(path: Path) -> list:
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        return [file.tell(), digest.hexdigest()]
