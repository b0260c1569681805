"""Reading the pickles of the CIFAR archives without running anything that they say.

A pickle is a program. This reader first refuses every instruction beyond those that build plain containers, numbers,
strings and uint8 arrays, and then lets the arrays be built by stand-ins of our own: nothing named inside the file is
ever imported or called.
"""

import io
import pickle
import pickletools

import numpy as np

from kdjax.errors import UserError

MAX_MEMO = 4_000_000  # the unpickler allocates its memo table by the largest index that a file names
OPCODES = frozenset((
    "PROTO", "FRAME", "STOP", "MARK", "POP", "BINPUT", "LONG_BINPUT", "MEMOIZE", "BINGET", "LONG_BINGET",
    "NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINSTRING", "SHORT_BINSTRING",
    "BINUNICODE", "SHORT_BINUNICODE", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "EMPTY_LIST", "APPEND", "APPENDS",
    "EMPTY_DICT", "SETITEM", "SETITEMS", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3",
    "PUT", "GET", "INT", "LONG", "FLOAT", "STRING", "UNICODE", "LIST", "DICT",  # protocol 0
    "GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD"))


def loads(data: bytes, name: object) -> dict:
    """The dictionary pickled in `data`, keys as str, uint8 arrays as numpy arrays.

    Python 2 strings come as bytes. Raises UserError naming `name` for anything but plain data.
    """
    try:
        for opcode, argument, _ in pickletools.genops(data):
            if opcode.name not in OPCODES or ("PUT" in opcode.name and argument > MAX_MEMO):
                raise pickle.UnpicklingError(f"it holds the instruction {opcode.name}")
        loaded = _Unpickler(io.BytesIO(data), encoding="bytes").load()
        return {_text(key): _plain(value) for key, value in loaded.items()}
    except Exception as error:  # a hostile or broken pickle can fail anywhere, and with anything
        raise UserError(f"{name} is not a CIFAR pickle of plain data and was not loaded ({_reason(error)}): "
                        "get the official file") from error


class _Unpickler(pickle.Unpickler):
    """Knows four names, each bound to a stand-in made for this one load, so that no file can spoil the next."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)

        class Dtype(_Dtype): ...

        class Array(_Array): ...

        self._names = {("numpy", "dtype"): Dtype, ("numpy", "ndarray"): Array,
                       ("_codecs", "encode"): lambda text, _: text.encode("latin1")}
        for module in ("numpy.core.multiarray", "numpy._core.multiarray"):
            self._names[module, "_reconstruct"] = lambda *_: Array()

    def find_class(self, module: str, name: str):
        if (module, name) not in self._names:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return self._names[module, name]


class _Dtype:
    def __init__(self, code, *_):
        self.code = _text(code)

    def __setstate__(self, state):
        """Byte order and alignment mean nothing for the one dtype allowed."""


class _Array:
    def __setstate__(self, state):
        _, self.shape, self.dtype, self.fortran, self.raw = state

    def plain(self) -> np.ndarray:
        if self.dtype.code.lstrip("|") != "u1" or type(self.raw) is not bytes:
            raise pickle.UnpicklingError("its array is not uint8")
        return np.frombuffer(self.raw, np.uint8).reshape(self.shape, order="F" if self.fortran else "C")


def _plain(value):
    return value.plain() if isinstance(value, _Array) else value


def _text(value) -> str:
    return value.decode("latin1") if isinstance(value, bytes) else str(value)


def _reason(error: Exception) -> str:
    return " ".join((str(error) or type(error).__name__).split())[:100]
