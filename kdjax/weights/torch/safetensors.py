"""Safetensors files: eight bytes of length, a header of JSON, raw numbers. kdjax's own, and others'."""

import json
import math
from collections.abc import Callable
from typing import Any

from kdjax.files.pickles import Opaque
from kdjax.weights.torch.values import Storage, Tensor

METADATA = "__metadata__"
DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "bfloat16", "I64": "<i8", "I32": "<i4", "I16": "<i2",
          "I8": "i1", "U8": "u1", "BOOL": "?"}
SIZES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}


class Told(dict):
    """The tensors by name; `metadata` is what the header says beside them, text by text."""

    def __init__(self, tensors: dict, metadata: dict[str, str]):
        super().__init__(tensors)
        self.metadata = metadata


def recognise(data) -> bool:
    """Whether a file's bytes begin as safetensors do: the header's length, then a JSON object."""
    return len(data) > 8 and data[8:9] == b"{" and int.from_bytes(data[:8], "little") <= len(data) - 8


def open_map(data) -> tuple[Told, Callable[[str], bytes]]:
    """(the tensors by name, key -> the bytes of one). Raises ValueError and its relatives for a damaged header."""
    begins = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:begins].decode(), object_pairs_hook=_once)
    about = header.pop(METADATA, {})
    if not all(isinstance(text, str) for text in about.values()):
        raise ValueError("its metadata are no texts")
    tensors = {name: _tensor(name, entry, len(data) - begins) for name, entry in header.items()}
    spans = {name: slice(*(begins + at for at in entry["data_offsets"])) for name, entry in header.items()}
    return Told(tensors, about), lambda name: data[spans[name]]


def _once(pairs: list) -> dict:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _tensor(name: str, entry: dict[str, Any], room: int) -> Tensor | Opaque:
    """A tensor of `room` bytes at most; one of a type that no network here has is a placeholder."""
    kind, shape, (start, end) = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"]
    if any(type(n) is not int or n < 0 for n in (*shape, start, end)) or not start <= end <= room or len(shape) > 8:
        raise ValueError("a tensor lies outside of the file")
    if kind not in DTYPES:
        return Opaque(f"safetensors {str(kind)[:20]}")
    count = math.prod(shape)
    if end - start != count * SIZES[kind]:
        raise ValueError("a tensor has not the bytes that its shape needs")
    strides = tuple(math.prod(shape[axis + 1:]) for axis in range(len(shape)))
    return Tensor(Storage(DTYPES[kind], name, count), 0, shape, strides)
