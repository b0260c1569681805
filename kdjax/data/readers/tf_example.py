"""Records of TFDS: the files that hold them, and two fields of a serialised tf.train.Example, without TensorFlow."""

import os
import struct
from collections.abc import Iterator
from pathlib import Path

CHUNK = 1000  # records in memory at a time
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # protobuf's wire types


def records(file: Path, file_format: str) -> Iterator[bytes]:
    """The records of one shard, in order. Raises ValueError (array_record: whatever its library does) for damage."""
    return _tfrecords(file) if file_format == "tfrecord" else _array_records(file)


def fields(record: bytes, wanted: tuple[str, ...]) -> dict[str, list]:
    """{key: its values} of those wanted keys that an Example has; bytes or integers (floats are left out).

    Raises ValueError for what is no Example.
    """
    found = {}
    for _, features in _parse(record, 1):
        for _, entry in _parse(features, 1):
            key = next((value for _, value in _parse(entry, 1)), b"").decode("utf-8", "replace")
            if key in wanted:
                found[key] = [item for _, feature in _parse(entry, 2) for item in _values(feature)]
    return found


def _values(feature: bytes) -> Iterator:
    """A Feature is one of: 1 a list of bytes, 2 of floats, 3 of int64, packed or not."""
    for _, listed in _parse(feature, 1):
        yield from (value for _, value in _parse(listed, 1))
    for _, listed in _parse(feature, 3):
        for kind, value in _parse(listed, 1):
            yield from [_signed(value)] if kind == VARINT else map(_signed, _varints(value))


def _parse(data: bytes, number: int) -> Iterator[tuple[int, bytes | int]]:
    """(wire type, value) of every field `number` of a message."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        kind = tag & 7
        if kind == VARINT:
            value, at = _varint(data, at)
        else:
            length = {FIXED64: 8, FIXED32: 4}.get(kind)
            if kind == BYTES:
                length, at = _varint(data, at)
            if length is None or at + length > len(data):
                raise ValueError("a record is no tf.train.Example")
            value, at = data[at:at + length], at + length
        if tag >> 3 == number:
            yield kind, value


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 70:
        byte = data[at]
        value, shift, at = value | (byte & 127) << shift, shift + 7, at + 1
        if byte < 128:
            return value, at
    raise ValueError("a record is no tf.train.Example")


def _varints(data: bytes) -> Iterator[int]:
    at = 0
    while at < len(data):
        value, at = _varint(data, at)
        yield value


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def _array_records(file: Path) -> Iterator[bytes]:
    from array_record.python.array_record_module import ArrayRecordReader  # a binary library, needed here only

    reader = ArrayRecordReader(os.fspath(file))
    try:
        count = reader.num_records()
        for start in range(0, count, CHUNK):
            yield from reader.read(start, min(start + CHUNK, count))
    finally:
        reader.close()


def _tfrecords(file: Path) -> Iterator[bytes]:
    """Frames of uint64 length, uint32 checksum, data, uint32 checksum (CRC-32C: no fast code here to check it)."""
    with open(file, "rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        while head := stream.read(12):
            length = struct.unpack("<Q", head[:8])[0] if len(head) == 12 else size
            if length > size - stream.tell() - 4:
                raise ValueError(f"{file.name} is cut short")
            yield stream.read(length)
            stream.read(4)
