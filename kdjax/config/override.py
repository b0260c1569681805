"""One field set from the text of a command line, in the type that it has."""
from __future__ import annotations

import ast

from ml_collections import ConfigDict

from kdjax.config.fields import FIELDS, renamed
from kdjax.config.walk import is_block, owner
from kdjax.errors import UserError

WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
KINDS = {bool: "True or False", int: "a whole number", float: "a number", tuple: "a list such as (1,2) or a,b"}


def override(config: ConfigDict, name: str, text: str | None) -> None:
    """Sets the field `loss.beta` from the text of the command line, in the type it has. text: None sets a flag.

    Raises UserError for an unknown field, with the near ones, and for a value of another type.
    """
    block, last = owner(config, name)
    if is_block(block, last):
        raise UserError(f"config.{name} is a group of fields; set one of them: "
                        f"{', '.join(f'config.{name}.{key}' for key in block[last])}")
    kind = block.get_type(last)
    if text is None and kind is not bool:
        raise UserError(f"config.{name} needs a value: --config.{name}=VALUE")
    try:
        block[last] = True if text is None else None if empty(name, text) else value(kind, text)
    except (ValueError, SyntaxError, TypeError, OverflowError, RecursionError, MemoryError):
        raise UserError(f"config.{name}={text!r} is not {KINDS.get(kind, 'a value of its kind')}; its value was "
                        f"{block[last]!r}") from None


def assign(config: ConfigDict, name: str, new) -> None:
    """Sets the field `loss.beta` to a Python value; a UserError for an unknown field or a value of another type."""
    block, last = owner(config, name)
    if is_block(block, last):
        raise UserError(f"config.{name} is a group of fields; set one of them: "
                        f"{', '.join(f'config.{name}.{key}' for key in block[last])}")
    try:
        block[last] = tuple(new) if isinstance(new, list) else new
    except (TypeError, ValueError):
        raise UserError(f"config.{name}={new!r} is not {KINDS.get(block.get_type(last), 'a value of its kind')}; its "
                        f"value was {block[last]!r}") from None


def empty(name: str, text: str) -> bool:
    """Whether the text takes an optional field's value away."""
    field = FIELDS.get(renamed(name))
    return text == "None" and field is not None and field.default is None


def value(kind: type, text: str):
    """The text as a value of `kind`; raises ValueError and its relatives."""
    if kind is bool:
        if text.lower() not in WORDS:
            raise ValueError(text)
        return WORDS[text.lower()]
    if kind in (tuple, list):
        return items(text)
    return text if kind is object else kind(text)


def items(text: str) -> tuple:
    """`(1,2)`, `1,2`, `a,b` or `('a','b')` as a tuple."""
    try:
        found = ast.literal_eval(text) if text.strip() else ()
    except (ValueError, SyntaxError):
        if set(text) & set("()[]{}\"'"):
            raise
        found = tuple(word.strip() for word in text.split(","))
    return tuple(found) if isinstance(found, tuple | list) else (found,)
