"""What the names in a torch file's pickle stand for here: plain values for the few that weights need, and placeholders.

Whatever else a checkpoint holds beside its weights (schedulers, sets, paths, options, a project's own classes) becomes
an `Opaque`: it remembers its name, and nothing of that name is imported or called. Only names that would act, such as
os.system or print, are refused wherever they stand, as no checkpoint needs them.
"""

import re
from typing import Any, NamedTuple

import numpy as np

from kdjax.files.pickles import Global, Meanings, Opaque, Refused, name_of, stored

STORAGES = {
    "FloatStorage": "<f4", "DoubleStorage": "<f8", "HalfStorage": "<f2", "BFloat16Storage": "bfloat16",
    "LongStorage": "<i8", "IntStorage": "<i4", "ShortStorage": "<i2", "CharStorage": "i1", "ByteStorage": "u1",
    "BoolStorage": "?", "ComplexFloatStorage": "<c8", "ComplexDoubleStorage": "<c16", "QInt8Storage": "i1",
    "QUInt8Storage": "u1", "QInt32Storage": "<i4"}
ACTING = {"os", "posix", "nt", "sys", "subprocess", "shutil", "runpy", "importlib", "pty", "ctypes", "socket", "pdb"}
TENSORS = {"torch.Tensor", "torch._tensor.Tensor", "torch.nn.parameter.Parameter", "torch.nn.Parameter"}
OPENING = {"io.open", "_io.open", "io.open_code", "_io.open_code", "io.FileIO", "_io.FileIO"}
BUILTINS = ("builtins", "__builtin__")
PLAIN = {"set", "frozenset", "list", "dict", "tuple", "int", "long", "float", "bool", "str", "unicode", "bytes",
         "bytearray", "complex", "slice", "range", "xrange", "object", "type", "getattr", "Ellipsis", "NotImplemented",
         "iter", "enumerate", "zip", "map", "filter", "reversed", "property", "staticmethod", "classmethod", "super"}
RECORDS = {"stat_result", "statvfs_result", "terminal_size", "times_result", "uname_result", "_Environ"}  # of os


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


def named(module: str, name: str) -> Global:
    """What stands for a global; Refused for one that acts."""
    full = f"{module}.{name}"[:100]
    if acts(full):
        raise Refused(f"it needs {full}, which is not plain data", full)
    return Global(full)


def acts(name: str) -> bool:
    """Whether a global would do something, rather than make a value."""
    module, _, rest = name.partition(".")
    if rest.endswith(("Error", "Exception", "Warning")) or rest in RECORDS:
        return False
    return rest.split(".")[0] not in PLAIN if module in BUILTINS else module in ACTING or name in OPENING


class TorchValues(Meanings):
    """storages: every storage that the pickles mention, by key."""

    def __init__(self, storages: dict[str, Storage] | None = None):
        self.storages = {} if storages is None else storages

    def named(self, module: str, name: str) -> Global:
        """A placeholder; Refused for a name that acts."""
        return named(module, name)

    def called(self, function: Any, args: Any) -> Any:
        """The plain value of a call that weights need; a placeholder for every other call."""
        return called(function, args)

    def persistent(self, reference: Any) -> Storage | Opaque:
        """The storage that a tensor's reference means."""
        return persistent(reference, self.storages)


def called(function: Any, args: Any) -> Any:
    """The plain value of a call that weights need; a placeholder for every other call."""
    if isinstance(function, Global) and function.name in CALLS and isinstance(args, tuple):
        return CALLS[function.name](*args)
    return Opaque(name_of(function) or "something", args)


def persistent(reference: Any, seen: dict[str, Storage]) -> Storage | Opaque:
    """The storage that a tensor's reference (a tuple) means; `seen` collects them. Refused for what is no storage.

    The fourth entry, a location such as "cuda:0", does not matter. A sixth is torch 0.3's for a piece of a storage.
    """
    kind, cls, key, _, numel, *rest = reference
    if kind != "storage" or not isinstance(cls, Global) or not isinstance(key, str):
        raise Refused("it refers to data outside the file that is not a tensor's")
    dtype = STORAGES.get(cls.name.removeprefix("torch."))
    if dtype is None:
        return Opaque(cls.name)
    view = rest[0] if rest else None
    start, numel = (view[1], view[2]) if view else (0, numel)
    storage = Storage(dtype, key, _count(numel), _count(start))
    if seen.setdefault(key, storage).dtype != storage.dtype:
        raise Refused("two tensors read the same bytes as different types")
    return storage


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError("a size is not a number from 0 up")
    return value


def _tensor(storage, offset, shape, strides, *_) -> Tensor | Opaque:
    if isinstance(storage, Opaque):
        return storage
    if not isinstance(storage, Storage) or len(shape) != len(strides) or len(shape) > 8:
        raise ValueError("a tensor's shape and strides do not fit")
    return Tensor(storage, _count(offset), tuple(map(_count, shape)), tuple(map(_count, strides)))


def _subclass(function: Any, cls: Any, args: Any) -> Any:
    """A tensor with attributes of its own; one of another class is a placeholder."""
    return called(function, args) if name_of(cls) in TENSORS else Opaque(name_of(cls) or "something")


def _dictionary(pairs: Any = None) -> dict:
    """Python 2 gave the items as a list, which is emptied here, so that one list cannot fill the memory with copies."""
    if isinstance(pairs, dict):
        return pairs
    out: dict = {}
    while pairs:
        stored(out, list(pairs.pop(0)))
    return out


def _size(sizes) -> tuple:
    if len(sizes) > 8:
        raise ValueError("a shape with more than eight axes")
    return tuple(sizes)


def _encode(text: str, encoding: str) -> bytes | Opaque:
    """How protocol 2 writes the few bytes of a NumPy scalar; longer ones are no number."""
    return text.encode(encoding) if len(text) <= 64 and encoding == "latin1" else Opaque("_codecs.encode")


def _numpy_scalar(dtype: Any, data: Any) -> int | float | bool | None:
    """Numbers only; None for a scalar of text, which no weight is."""
    code = dtype.args[0] if name_of(dtype) == "numpy.dtype" and dtype.args else None
    usable = isinstance(code, str) and isinstance(data, bytes) and re.fullmatch("[fiub][1248]", code)
    return np.frombuffer(data, np.dtype(code), 1)[0].item() if usable else None


CALLS = {
    "collections.OrderedDict": _dictionary,
    "collections.Counter": _dictionary,
    "collections.defaultdict": lambda *_: {},
    "torch._utils._rebuild_tensor": _tensor,  # torch 0.3 and older
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": lambda tensor, *_: tensor,
    "torch._utils._rebuild_parameter_with_state": lambda tensor, *_: tensor,
    "torch._utils._rebuild_device_tensor_from_cpu_tensor": lambda tensor, *_: tensor,
    "torch._tensor._rebuild_from_type_v2": lambda function, cls, args, *_: _subclass(function, cls, args),
    "torch.Size": _size,
    "numpy.core.multiarray.scalar": _numpy_scalar,
    "numpy._core.multiarray.scalar": _numpy_scalar,
    "_codecs.encode": _encode,
}
