"""Read the pickle inside a torch file without running any of it.

A pickle is a program for a small stack machine. This is that machine with the instructions that torch files use, over
`pickletools.genops`, which only decodes. What a name or a call stands for is looked up in values.py: a plain value, or
a placeholder. So no import, no constructor and no `__setstate__` ever runs, and NumPy is all that is needed.
Formats: spec/models.md, section 9.2.
"""

import pickletools
from typing import Any

from kdjax.weights.torch.values import Global, Opaque, Refused, Storage, Tensor, called, named, persistent, stored

__all__ = ["Global", "Opaque", "Refused", "Storage", "Tensor", "load"]

MARK = object()
MOST_INSTRUCTIONS = 5_000_000  # a ResNet110 with its optimizer needs 50,000; more would only keep the reader busy


def load(file, storages: dict[str, Storage] | None = None) -> Any:
    """The object of the one pickle that begins at the file's position; `file` is left after it.

    storages: collects every storage that the pickle mentions, by key. Gives None, bool, int, float, str, bytes, list,
    tuple, dict, Tensor, and Opaque or Global for everything else. Raises Refused for a name that acts and for
    instructions that torch does not write; damaged bytes raise ValueError, IndexError, KeyError or TypeError.
    """
    stack: list = []
    memo: dict[int, Any] = {}
    storages = {} if storages is None else storages
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
            stack.append(persistent(stack.pop(), storages))
        elif name in STACK:
            STACK[name](stack)
        elif name in ("GLOBAL", "INST"):
            found = named(*arg.split(" ", 1))
            stack.append(Opaque(found.name, _since_mark(stack)) if name == "INST" else found)
        elif name not in ("PROTO", "FRAME"):
            raise Refused(f"it uses the pickle instruction {name}, which torch does not write")
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


def _stack_global(stack: list) -> None:
    name, module = stack.pop(), stack.pop()
    if not (isinstance(name, str) and isinstance(module, str)):
        raise ValueError("a name that is no text")
    stack.append(named(module, name))


def _call(stack: list, given: int = 1) -> None:
    """A function or a class and its arguments (positional, then named ones) make a value."""
    args = stack[-given:]
    del stack[-given:]
    stack.append(called(stack.pop(), args[0]))


def _instance(stack: list) -> None:
    """Protocol 1's way: mark, class, arguments."""
    cls, *args = _since_mark(stack)
    stack.append(called(cls, tuple(args)))


def _build(stack: list) -> None:
    """Attributes say nothing about the weights (an OrderedDict's are `_metadata`) and are left out."""
    stack.pop()
    if not isinstance(stack[-1], dict | Opaque | Global):
        raise Refused("it sets attributes of something that has none")


STACK = {
    "TUPLE": lambda s: s.append(tuple(_since_mark(s))), "TUPLE1": _tuple(1), "TUPLE2": _tuple(2), "TUPLE3": _tuple(3),
    "LIST": lambda s: s.append(_since_mark(s)), "DICT": _dict, "APPEND": lambda s: _extend(s, [s.pop()]),
    "APPENDS": lambda s: _extend(s, _since_mark(s)), "ADDITEMS": lambda s: _extend(s, _since_mark(s)),
    "FROZENSET": lambda s: s.append(Opaque("builtins.frozenset", _since_mark(s))), "SETITEM": _set_item,
    "SETITEMS": _set_items, "POP": lambda s: s.pop(), "POP_MARK": _since_mark, "STACK_GLOBAL": _stack_global,
    "REDUCE": _call, "NEWOBJ": _call, "NEWOBJ_EX": lambda s: _call(s, 2), "OBJ": _instance, "BUILD": _build}
