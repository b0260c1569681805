"""Open a torch file (zip, the older stream, or safetensors) with NumPy only: spec/models.md, 9.2.

Everything a file says about sizes is checked against the bytes that are there before any memory is taken for it.
"""

import contextlib
import functools
import io
import math
import mmap
import os
import struct
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np

from kdjax.errors import UserError
from kdjax.files import pickles
from kdjax.files.pickles import Refused
from kdjax.weights.torch import safetensors
from kdjax.weights.torch.values import Storage, Tensor, TorchValues, acts

LEGACY_MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
Fetch = Callable[[Tensor], np.ndarray]


def open_torch_file(path: str | os.PathLike) -> tuple[Any, Fetch]:
    """(the object in the file with `Tensor`s for its tensors, a function that turns one into an array of its own).

    Nothing in the file is executed. Raises UserError, which names the file, for anything that is not a whole torch
    file of plain data; `fetch` raises it for a tensor that does not lie inside the file.
    """
    path = os.fspath(path)
    with naming(path):
        data = _map(path)
        if data[:4] == b"PK\x03\x04":
            obj, storage_bytes = _open_zip(path)
        elif data[: len(LEGACY_MAGIC)] == LEGACY_MAGIC:
            obj, storage_bytes = _open_legacy(data)
        elif safetensors.recognise(data):
            obj, storage_bytes = safetensors.open_map(data)
        else:
            raise UserError(_what_else(data))
    storage_bytes = functools.lru_cache(maxsize=1)(storage_bytes)
    left = 8 * len(data)  # bytes; tensors may share a storage, but a small file must not unfold into a full memory

    def fetch(tensor: Tensor) -> np.ndarray:
        nonlocal left
        with naming(path):
            array = _array(tensor, storage_bytes(tensor.storage.key))
            left -= array.nbytes
            if left < 0:
                raise Refused("its tensors are many times larger than the file")
            return array

    return obj, fetch


@contextlib.contextmanager
def naming(path: str):
    """Turns whatever goes wrong inside into one sentence that begins with the file's name."""
    try:
        yield
    except Exception as error:  # damaged bytes fail to parse in many ways
        text = _sentence(error)
    else:
        return
    text = "".join(c if c.isprintable() else "?" for c in text)  # parts of it come from the file
    raise UserError(text if text.startswith(path) else f"{path} {text}")


def _sentence(error: Exception) -> str:
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, Refused):
        return _refusal(error)
    if isinstance(error, OSError):
        return f"cannot be read ({error.strerror or error}); check the path and your permissions."
    return f"is damaged or cut short ({type(error).__name__}: {str(error)[:80]}); download or copy it again."


def _refusal(error: Refused) -> str:
    if "_rebuild_" in error.name:
        return f"holds quantised, sparse or other special tensors ({error.name}); save plain float tensors instead."
    if error.name and acts(error.name):
        return f"asks to run {error.name}, which no checkpoint needs, so it was not loaded; get the file elsewhere."
    if error.name:
        return (f"holds more than weights: it needs {error.name}, as a pickled model does; load it in the project "
                "that wrote it and save model.state_dict() instead.")
    return f"cannot be read as a checkpoint: {error}; save model.state_dict() with torch.save instead."


def _map(path: str):
    if os.path.isdir(path):
        raise UserError("is a folder; give the checkpoint file inside it, such as ckpt_epoch_240.pth.")
    if not os.path.exists(path):
        raise UserError("does not exist; check the path.")
    if not os.path.getsize(path):
        raise UserError("is empty; download or copy it again.")
    with open(path, "rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _what_else(data) -> str:
    start = data[:512].lstrip().lower()
    if start.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        return "is a web page (HTML), not a checkpoint; see in a browser what it says and download the file itself."
    if start.startswith(b"version https://git-lfs"):
        return "is only a git-lfs pointer; run `git lfs pull` to get the file itself."
    if data[257:262] == b"ustar":
        return "is a tar archive (or torch's format from before 2018); unpack it, or save it again with a newer torch."
    if start.startswith(b"\x1f\x8b"):
        return "is compressed with gzip; unpack it first."
    if LEGACY_MAGIC.startswith(data[: len(LEGACY_MAGIC)]) or b"PK\x03\x04".startswith(data[:4]):
        return "is cut short after a few bytes; download or copy it again."
    return "is not a torch checkpoint; give a file written by torch.save."


def _open_zip(path: str) -> tuple[Any, Callable]:
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile:
        raise UserError(
            "is cut short or damaged: the directory at its end is missing; download or copy it again."
        ) from None
    names = archive.namelist()
    tops = [name.removesuffix("data.pkl") for name in names if name.count("/") == 1 and name.endswith("/data.pkl")]
    if len(tops) != 1:
        raise UserError("is a zip file but not a torch checkpoint; give a file written by torch.save.")
    top = tops[0]
    if any(name.startswith((top + "code/", top + "constants.pkl")) for name in names):
        raise UserError("is a TorchScript program, not weights; save model.state_dict() with torch.save instead.")
    if any(info.compress_type != zipfile.ZIP_STORED for info in archive.infolist()):
        raise UserError("is a zip file that was packed again with compression; give the file as torch.save wrote it.")
    if top + "byteorder" in names and archive.read(top + "byteorder") != b"little":
        raise UserError("was written on a big-endian machine; save it again on a little-endian one.")
    if any(info.file_size > os.path.getsize(path) for info in archive.infolist()):
        raise UserError("is damaged: an entry is larger than the file; download or copy it again.")
    obj = pickles.load(io.BytesIO(archive.read(top + "data.pkl")), TorchValues())
    return obj, lambda key: archive.read(f"{top}data/{key}")  # read() also verifies the CRC


def _open_legacy(data) -> tuple[Any, Callable]:
    storages: dict[str, Storage] = {}
    _, version, system, obj, keys = (pickles.load(data, TorchValues(storages)) for _ in range(5))
    if version != 1001 or system.get("little_endian") is not True:
        raise UserError("is in a variant of torch's old format that is not known; save it again with a newer torch.")
    spans, at = {}, data.tell()
    for key in keys:
        (count,) = struct.unpack_from("<q", data, at)
        start, at = at + 8, at + 8 + count * _plain(storages[key].dtype).itemsize
        if count < 0 or at > len(data):
            raise UserError("is cut short or damaged: it ends before its last tensor; download or copy it again.")
        spans[key] = slice(start, at)
    return obj, lambda key: data[spans[key]]


def _array(tensor: Tensor, raw: bytes) -> np.ndarray:
    """The tensor as a contiguous array of its own; ValueError unless it lies inside its storage."""
    storage, shape, strides = tensor.storage, tensor.shape, tensor.strides
    dtype = _plain(storage.dtype)
    flat = np.frombuffer(raw, dtype)[storage.start : storage.start + storage.numel]
    size = math.prod(shape)
    last = tensor.offset + sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True)) if size else 0
    if flat.size != storage.numel or size > storage.numel or (size and last >= storage.numel):
        raise ValueError("a tensor reaches outside its data")
    view = np.lib.stride_tricks.as_strided(
        flat[tensor.offset :] if size else flat, shape, [s * dtype.itemsize for s in strides]
    )
    array = np.array(view, order="C")
    return (array.astype("<u4") << 16).view("<f4") if storage.dtype == "bfloat16" else array


def _plain(dtype: str) -> np.dtype:
    """bfloat16, the upper half of a float32, is read as 16-bit integers first."""
    return np.dtype("<u2" if dtype == "bfloat16" else dtype)
