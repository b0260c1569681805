"""Write a torch file (zip format, torch >= 1.6) with NumPy only; `torch.load(path, weights_only=True)` reads it.

The pickle is put together instruction by instruction, the counterpart of torch_pickle.py.
"""

import io
import struct
import zipfile
from collections.abc import Mapping

import numpy as np

from kdjax.files.atomic import atomic_write_bytes

STORAGES = {"float32": "FloatStorage", "float64": "DoubleStorage", "int64": "LongStorage"}


def write(path, state_dict: Mapping[str, np.ndarray], scalars: Mapping[str, int | float] | None = None) -> None:
    """{"model": state_dict, **scalars}, as RepDistiller saves a network; whole or not at all.

    state_dict: float32, float64 or int64 arrays. Raises KeyError for other types, OSError when the disk refuses.
    """
    arrays = {key: np.asarray(value, order="C") for key, value in state_dict.items()}
    pickle = (
        b"\x80\x02}("
        + _text("model")
        + _state_dict(arrays)
        + b"".join(_text(key) + _number(value) for key, value in (scalars or {}).items())
        + b"u."
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(_entry("data.pkl"), pickle)
        archive.writestr(_entry("byteorder"), b"little")
        for number, value in enumerate(arrays.values()):
            archive.writestr(_entry(f"data/{number}"), value.astype(value.dtype.newbyteorder("<")).tobytes())
        archive.writestr(_entry("version"), b"3\n")
    atomic_write_bytes(path, buffer.getbuffer())


def _entry(name: str) -> zipfile.ZipInfo:
    """Without the time of day: the same network gives the same bytes."""
    return zipfile.ZipInfo(f"archive/{name}", (1980, 1, 1, 0, 0, 0))


def _state_dict(arrays: Mapping[str, np.ndarray]) -> bytes:
    items = (_text(key) + _tensor(number, value) for number, (key, value) in enumerate(arrays.items()))
    return _ORDERED_DICT + b"(" + b"".join(items) + b"u"


def _tensor(number: int, value: np.ndarray) -> bytes:
    """_rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, hooks)"""
    storage = (
        _tuple(
            _text("storage"),
            _global("torch", STORAGES[value.dtype.name]),
            _text(str(number)),
            _text("cpu"),
            _number(value.size),
        )
        + b"Q"
    )
    strides = [stride // value.itemsize for stride in value.strides]
    arguments = (
        storage,
        _number(0),
        _tuple(*map(_number, value.shape)),
        _tuple(*map(_number, strides)),
        b"\x89",
        _ORDERED_DICT,
    )
    return _global("torch._utils", "_rebuild_tensor_v2") + _tuple(*arguments) + b"R"


def _tuple(*items: bytes) -> bytes:
    return b"(" + b"".join(items) + b"t"


def _text(text: str) -> bytes:
    data = text.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def _number(value: int | float) -> bytes:
    return b"G" + struct.pack(">d", value) if isinstance(value, float) else b"J" + struct.pack("<i", value)


def _global(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


_ORDERED_DICT = _global("collections", "OrderedDict") + b")R"
