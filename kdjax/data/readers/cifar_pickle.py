"""The pickles of the CIFAR archives as plain data: dictionaries, lists, numbers, text and uint8 arrays."""

import io

import numpy as np

from kdjax.errors import UserError
from kdjax.files import pickles
from kdjax.files.pickles import Global, Meanings, Opaque, Refused

NAMES = ("numpy.dtype", "numpy.ndarray", "_codecs.encode", "numpy.core.multiarray._reconstruct",
         "numpy._core.multiarray._reconstruct")


def loads(data: bytes, name: object) -> dict:
    """The dictionary pickled in `data`, keys as str, uint8 arrays as numpy arrays.

    Raises UserError naming `name` for anything but plain data.
    """
    try:
        loaded = pickles.load(io.BytesIO(data), CifarValues())
        return {_text(key): _plain(value) for key, value in loaded.items()}
    except Exception as error:  # a hostile or broken pickle can fail anywhere, and with anything
        raise UserError(f"{name} is not a CIFAR pickle of plain data and was not loaded ({_reason(error)}): "
                        "get the official file") from error


class CifarValues(Meanings):
    """Five names, those of arrays; others are refused."""

    def named(self, module: str, name: str) -> Global:
        """See `Meanings.named`."""
        if f"{module}.{name}" not in NAMES:
            raise Refused(f"it asks for {module}.{name}"[:100])
        return Global(f"{module}.{name}")

    def called(self, function, args):
        """An array yet to be filled, a dtype, or the bytes that protocol 2 writes as text."""
        name = pickles.name_of(function)
        if name == "_codecs.encode":
            return args[0].encode("latin1")
        return Array() if name.endswith("_reconstruct") else Opaque(name, args)

    def set_state(self, value, state) -> None:
        """Fills an array; a dtype's byte order and alignment mean nothing for the one that is allowed."""
        if isinstance(value, Array):
            _, value.shape, value.dtype, value.fortran, value.raw = state
        elif not isinstance(value, Opaque):
            raise Refused("it sets attributes of something that has none")


class Array:
    """A uint8 array as the pickle tells it."""

    def plain(self) -> np.ndarray:
        """The array itself."""
        raw = self.raw.encode("latin1") if isinstance(self.raw, str) else self.raw
        if pickles.name_of(self.dtype) != "numpy.dtype" or _text(self.dtype.args[0]).lstrip("|") != "u1":
            raise Refused("its array is not uint8")
        return np.frombuffer(raw, np.uint8).reshape(self.shape, order="F" if self.fortran else "C")


def _plain(value):
    if isinstance(value, Opaque | Global) or (isinstance(value, list) and any(isinstance(v, Opaque) for v in value)):
        raise Refused("it holds more than plain data")
    return value.plain() if isinstance(value, Array) else value


def _text(value) -> str:
    return value.decode("latin1") if isinstance(value, bytes) else str(value)


def _reason(error: Exception) -> str:
    return " ".join((str(error) or type(error).__name__).split())[:100]
