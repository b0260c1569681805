"""Read the pickle inside a torch file without running any of it.

A pickle is a program for a small stack machine. This is that machine with the instructions that torch files use, over
`pickletools.genops`, which only decodes. Calls are answered from the table below with plain values; every other name is
refused. So no import, no constructor and no `__setstate__` ever runs, and NumPy is all that is needed.
Formats: spec/models.md, section 9.2.
"""

import pickletools
import re
from typing import Any, NamedTuple

import numpy as np

STORAGES = {
    "FloatStorage": "<f4", "DoubleStorage": "<f8", "HalfStorage": "<f2", "BFloat16Storage": "bfloat16",
    "LongStorage": "<i8", "IntStorage": "<i4", "ShortStorage": "<i2", "CharStorage": "i1", "ByteStorage": "u1",
    "BoolStorage": "?"}
MARK = object()
MOST_INSTRUCTIONS = 5_000_000  # a ResNet110 with its optimizer needs 50,000; more would only keep the reader busy


class Refused(Exception):
    """The pickle asks for something that is not plain data; `name` is the offending global, if there is one."""

    def __init__(self, message: str, name: str = ""):
        super().__init__(message)
        self.name = name


class Global(NamedTuple):
    name: str


class Storage(NamedTuple):
    """A run of `numel` numbers kept outside the pickle under `key`, starting `start` numbers into it."""

    dtype: str
    key: str
    numel: int
    start: int = 0


class Tensor(NamedTuple):
    """A strided view of a storage; offset and strides count numbers, not bytes."""

    storage: Storage
    offset: int
    shape: tuple
    strides: tuple


class Opaque:
    """Data whose class does not matter here, such as the Namespace of command-line options."""

    def __init__(self, name: str, args: tuple):
        self.name, self.args, self.state = name, args, None


def load(file, storages: dict[str, Storage] | None = None) -> Any:
    """The object of the one pickle that begins at the file's position; `file` is left after it.

    storages: collects every storage that the pickle mentions, by key. Gives None, bool, int, float, str, bytes, list,
    tuple, dict, Tensor and Opaque. Raises Refused for a global outside the list and for instructions that torch does
    not write; damaged bytes raise ValueError, IndexError, KeyError or TypeError.
    """
    stack: list = []
    memo: dict[int, Any] = {}
    for count, (opcode, arg, _) in enumerate(pickletools.genops(file)):
        name = opcode.name
        if count > MOST_INSTRUCTIONS:
            raise Refused("its description of the tensors is longer than that of any known network")
        if name == "STOP":
            return stack.pop()
        if name in PUSH:
            stack.append(arg)
        elif name in CONSTANTS:
            stack.append(CONSTANTS[name]())
        elif name in ("BINPUT", "LONG_BINPUT", "PUT"):
            memo[arg] = stack[-1]
        elif name == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET", "GET"):
            stack.append(memo[arg])
        elif name == "BINPERSID":
            stack.append(_storage(*stack.pop(), seen={} if storages is None else storages))
        elif name in STACK:
            STACK[name](stack)
        elif name == "GLOBAL":
            stack.append(_global(*arg.split(" ", 1)))
        elif name not in ("PROTO", "FRAME"):
            raise Refused(f"it uses the pickle instruction {name}, which torch does not write")
    raise ValueError("the pickle has no end")


PUSH = {
    "BININT", "BININT1", "BININT2", "INT", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING", "BINSTRING",
    "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES",
    "BINBYTES8"}
CONSTANTS = {"NONE": lambda: None, "NEWTRUE": lambda: True, "NEWFALSE": lambda: False, "EMPTY_TUPLE": tuple,
             "EMPTY_LIST": list, "EMPTY_DICT": dict, "MARK": lambda: MARK}


def _since_mark(stack: list) -> list:
    at = len(stack) - 1
    while stack[at] is not MARK:
        at -= 1
        if at < 0:
            raise ValueError("no mark on the stack")
    items = stack[at + 1 :]
    del stack[at:]
    return items


def _tuple(count: int):
    def make(stack: list) -> None:
        if len(stack) < count:
            raise ValueError("the stack is too short")
        items = tuple(stack[-count:])
        del stack[-count:]
        stack.append(items)

    return make


def _extend(stack: list, items: list) -> None:
    if not isinstance(stack[-1], list):
        raise Refused("it appends to something that is not a list")
    stack[-1].extend(items)


def _update(target: Any, items: list) -> None:
    if not isinstance(target, dict) or len(items) % 2:
        raise Refused("it stores items in something that is not a dictionary")
    for key, value in zip(items[::2], items[1::2], strict=True):
        if not isinstance(key, str | int | float | bytes | None):  # tuples could be made that take forever to hash
            raise Refused("a dictionary has a key that is neither text nor a number")
        target[key] = value


def _set_items(stack: list) -> None:
    items = _since_mark(stack)
    _update(stack[-1], items)


def _set_item(stack: list) -> None:
    value, key = stack.pop(), stack.pop()
    _update(stack[-1], [key, value])


def _dict(stack: list) -> None:
    items = _since_mark(stack)
    stack.append({})
    _update(stack[-1], items)


def _stack_global(stack: list) -> None:
    name, module = stack.pop(), stack.pop()
    stack.append(_global(module, name))


def _global(module: str, name: str) -> Global:
    full = f"{module}.{name}"
    known = full in CALLS or full == "argparse.Namespace" or (module == "torch" and name in STORAGES)
    if not known:
        raise Refused(f"it needs {full[:100]}, which is not plain data", full[:100])
    return Global(full)


def _reduce(stack: list) -> None:
    args, function = stack.pop(), stack.pop()
    if not (isinstance(function, Global) and function.name in CALLS and isinstance(args, tuple)):
        raise Refused(f"it calls {getattr(function, 'name', 'something')} in a way that torch does not write")
    stack.append(CALLS[function.name](*args))


def _new_object(stack: list) -> None:
    args, cls = stack.pop(), stack.pop()
    if cls != Global("argparse.Namespace"):
        raise Refused(f"it makes a {getattr(cls, 'name', 'something')} object")
    stack.append(Opaque(cls.name, args))


def _build(stack: list) -> None:
    state, target = stack.pop(), stack[-1]
    if isinstance(target, Opaque):
        target.state = state
    elif not isinstance(target, dict):  # an OrderedDict's attributes (`_metadata`) say nothing about the weights
        raise Refused("it sets attributes of something that has none")


def _storage(kind, cls, key, location, numel, view=None, *, seen: dict) -> Storage:
    """`location`, such as "cuda:0", does not matter. `view` is what torch 0.3 wrote for a piece of a storage."""
    if kind != "storage" or not isinstance(cls, Global) or not isinstance(key, str):
        raise Refused("it refers to data outside the file that is not a tensor's")
    start, numel = (view[1], view[2]) if view else (0, numel)
    storage = Storage(STORAGES[cls.name.removeprefix("torch.")], key, _count(numel), _count(start))
    if seen.setdefault(key, storage).dtype != storage.dtype:
        raise Refused("two tensors read the same bytes as different types")
    return storage


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError("a size is not a number from 0 up")
    return value


def _tensor(storage, offset, shape, strides, *_) -> Tensor:
    if not isinstance(storage, Storage) or len(shape) != len(strides) or len(shape) > 8:
        raise ValueError("a tensor's shape and strides do not fit")
    return Tensor(storage, _count(offset), tuple(map(_count, shape)), tuple(map(_count, strides)))


def _ordered_dict(pairs=None) -> dict:
    """Python 2 gave the items as a list, which is emptied here, so that one list cannot fill the memory with copies."""
    out: dict = {}
    while pairs:
        _update(out, list(pairs.pop(0)))
    return out


def _size(sizes) -> tuple:
    if len(sizes) > 8:
        raise ValueError("a shape with more than eight axes")
    return tuple(sizes)


def _encode(text: str, encoding: str) -> bytes:
    """How protocol 2 writes the few bytes of a NumPy scalar."""
    if len(text) > 64 or encoding != "latin1":
        raise Refused("it calls _codecs.encode on something other than a NumPy scalar")
    return text.encode(encoding)


def _numpy_scalar(dtype: Opaque, data: bytes) -> int | float | bool | None:
    """Numbers only; None for a scalar of text, which no weight is."""
    code = dtype.args[0]
    return np.frombuffer(data, np.dtype(code), 1)[0].item() if re.fullmatch("[fiub][1248]", code) else None


CALLS = {
    "collections.OrderedDict": _ordered_dict,
    "torch._utils._rebuild_tensor": _tensor,  # torch 0.3 and older
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": lambda tensor, *_: tensor,
    "torch.Size": _size,
    "torch.device": lambda *args: Opaque("torch.device", args),
    "numpy.dtype": lambda *args: Opaque("numpy.dtype", args),
    "numpy.core.multiarray.scalar": _numpy_scalar,
    "numpy._core.multiarray.scalar": _numpy_scalar,
    "_codecs.encode": _encode,
}
STACK = {
    "TUPLE": lambda s: s.append(tuple(_since_mark(s))), "TUPLE1": _tuple(1), "TUPLE2": _tuple(2), "TUPLE3": _tuple(3),
    "LIST": lambda s: s.append(_since_mark(s)), "DICT": _dict, "APPEND": lambda s: _extend(s, [s.pop()]),
    "APPENDS": lambda s: _extend(s, _since_mark(s)), "SETITEM": _set_item, "SETITEMS": _set_items,
    "POP": lambda s: s.pop(), "POP_MARK": _since_mark, "STACK_GLOBAL": _stack_global, "REDUCE": _reduce,
    "NEWOBJ": _new_object, "BUILD": _build}
