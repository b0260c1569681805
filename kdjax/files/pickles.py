"""Read a pickle without running any of it: the one reader of pickles, for torch files and for the CIFAR archives.

A pickle is a program for a small stack machine. This is that machine with the instructions that such files use, over
`pickletools.genops`, which only decodes. What a name or a call stands for is looked up in the `Meanings` of the format:
a plain value, or a placeholder. So no import, no constructor and no `__setstate__` ever runs.
Formats: spec/models.md, section 9.2.
"""

import functools
import pickletools
from typing import Any, NamedTuple

MARK = object()
MOST_INSTRUCTIONS = 5_000_000  # a ResNet110 with its optimizer needs 50,000; more would only keep the reader busy


class Refused(Exception):
    """The pickle asks for something that is not plain data; `name` is the offending global, if there is one."""

    def __init__(self, message: str, name: str = ""):
        super().__init__(message)
        self.name = name


class Global(NamedTuple):
    """What a name is before it is called."""

    name: str


class Opaque:
    """Data whose class does not matter here, such as the Namespace of command-line options."""

    def __init__(self, name: str, args: Any = ()):
        self.name, self.args = name, args


class Meanings:
    """What a format's names stand for; by itself every name is a placeholder, and so is what it is called with."""

    def named(self, module: str, name: str) -> Any:
        """What stands for a global; Refused for one that the format does not have."""
        return Global(f"{module}.{name}"[:100])

    def called(self, function: Any, args: Any) -> Any:
        """The value of a call."""
        return Opaque(name_of(function) or "something", args)

    def persistent(self, reference: Any) -> Any:
        """The value of a reference to outside the pickle."""
        raise Refused("it refers to data outside the file")

    def set_state(self, value: Any, state: Any) -> None:
        """What attributes do to a value: they are left out, and refused where there can be none."""
        if not isinstance(value, dict | Opaque | Global):
            raise Refused("it sets attributes of something that has none")


def name_of(value: Any) -> str:
    """The name behind a placeholder, "" for a value that is none."""
    return value.name if isinstance(value, Opaque | Global) else ""


def load(file, meanings: Meanings) -> Any:
    """The object of the one pickle that begins at the file's position; `file` is left after it.

    Gives None, bool, int, float, str, bytes, list, tuple, dict, and what `meanings` makes of names, calls and
    references. Python 2's strings come as text, a character a byte. Raises Refused for what `meanings` refuses and for
    instructions that such files do not hold; damaged bytes raise ValueError, IndexError, KeyError or TypeError.
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
        elif name in STACK:
            STACK[name](stack)
        elif name in MEANT:
            MEANT[name](stack, arg, meanings)
        elif name not in ("PROTO", "FRAME"):
            raise Refused(f"it uses the pickle instruction {name}, which such files do not hold")
    raise ValueError("the pickle has no end")


PUSH = {
    "BININT", "BININT1", "BININT2", "INT", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING", "BINSTRING",
    "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES",
    "BINBYTES8", "BYTEARRAY8"}
CONSTANTS = {"NONE": lambda: None, "NEWTRUE": lambda: True, "NEWFALSE": lambda: False, "EMPTY_TUPLE": tuple,
             "EMPTY_LIST": list, "EMPTY_DICT": dict, "MARK": lambda: MARK, "EMPTY_SET": lambda: Opaque("builtins.set")}


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
    """A placeholder takes what is put into it and forgets it, here and in `_update`."""
    if isinstance(stack[-1], list):
        stack[-1].extend(items)
    elif not isinstance(stack[-1], Opaque):
        raise Refused("it appends to something that is not a list")


def _update(target: Any, items: list) -> None:
    if isinstance(target, dict):
        stored(target, items)
    elif not isinstance(target, Opaque):
        raise Refused("it stores items in something that is not a dictionary")


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


def _stack_global(stack: list, _, meanings: Meanings) -> None:
    name, module = stack.pop(), stack.pop()
    if not (isinstance(name, str) and isinstance(module, str)):
        raise ValueError("a name that is no text")
    stack.append(meanings.named(module, name))


def _global(stack: list, arg: str, meanings: Meanings) -> None:
    stack.append(meanings.named(*arg.split(" ", 1)))


def _inst(stack: list, arg: str, meanings: Meanings) -> None:
    """Protocol 0's way: the class is named after mark and arguments."""
    stack.append(Opaque(name_of(meanings.named(*arg.split(" ", 1))), _since_mark(stack)))


def _call(stack: list, _, meanings: Meanings, given: int = 1) -> None:
    """A function or a class and its arguments (positional, then named ones) make a value."""
    args = stack[-given:]
    del stack[-given:]
    stack.append(meanings.called(stack.pop(), args[0]))


def _instance(stack: list, _, meanings: Meanings) -> None:
    """Protocol 1's way: mark, class, arguments."""
    cls, *args = _since_mark(stack)
    stack.append(meanings.called(cls, tuple(args)))


def _build(stack: list, _, meanings: Meanings) -> None:
    state = stack.pop()
    meanings.set_state(stack[-1], state)


def _persistent(stack: list, _, meanings: Meanings) -> None:
    stack.append(meanings.persistent(stack.pop()))


def stored(target: dict, items: list) -> None:
    """Puts keys and values, in turn, into `target`. A key that is neither text nor a number stands for itself only:
    tuples could be made that take for ever to hash."""
    if len(items) % 2:
        raise ValueError("a key without a value")
    for key, value in zip(items[::2], items[1::2], strict=True):
        plain = isinstance(key, str | int | float | bytes | None)
        target[key if plain else Opaque("key", key)] = value


STACK = {
    "TUPLE": lambda s: s.append(tuple(_since_mark(s))), "TUPLE1": _tuple(1), "TUPLE2": _tuple(2), "TUPLE3": _tuple(3),
    "LIST": lambda s: s.append(_since_mark(s)), "DICT": _dict, "APPEND": lambda s: _extend(s, [s.pop()]),
    "APPENDS": lambda s: _extend(s, _since_mark(s)), "ADDITEMS": lambda s: _extend(s, _since_mark(s)),
    "FROZENSET": lambda s: s.append(Opaque("builtins.frozenset", _since_mark(s))), "SETITEM": _set_item,
    "SETITEMS": _set_items, "POP": lambda s: s.pop(), "POP_MARK": _since_mark}
MEANT = {"GLOBAL": _global, "STACK_GLOBAL": _stack_global, "INST": _inst, "REDUCE": _call, "NEWOBJ": _call,
         "NEWOBJ_EX": functools.partial(_call, given=2), "OBJ": _instance, "BUILD": _build, "BINPERSID": _persistent}
