"""Ways through a nested config: every field by its dotted name, one field, the names nearest to a mistaken one."""
from __future__ import annotations

import difflib

from ml_collections import ConfigDict

from kdjax.config.fields import renamed
from kdjax.errors import UserError


def flat(config: ConfigDict, prefix: str = "") -> dict[str, tuple[type, object]]:
    """{dotted name: (type, value)} of all fields."""
    found = {}
    for key in config:
        if is_block(config, key):
            found |= flat(config[key], f"{prefix}{key}.")
        else:
            found[prefix + key] = (config.get_type(key), config[key])
    return found


def is_block(config: ConfigDict, key: str) -> bool:
    """Whether a member is a group of fields."""
    return issubclass(config.get_type(key), ConfigDict)


def get(config: ConfigDict, name: str):
    """The value of a dotted field."""
    for word in renamed(name).split("."):
        config = config[word]
    return config


def owner(config: ConfigDict, name: str) -> tuple[ConfigDict, str]:
    """(the group, the last word) of a dotted name; a UserError with the near fields where it does not exist."""
    block, words = config, renamed(name).split(".")
    for depth, word in enumerate(words):
        if not isinstance(block, ConfigDict) or word not in block:
            raise UserError(f"there is no field config.{name}{near(config, name)}; docs/config.md lists every field")
        if depth == len(words) - 1:
            return block, word
        block = block[word]


def near(config: ConfigDict, name: str) -> str:
    """` (did you mean config.train.epochs?)`: the fields that are called almost so, or end in the same word."""
    every, last = list(flat(config)), name.rpartition(".")[2]
    ends = [n for n in every if n.rpartition(".")[2] == last]
    found = difflib.get_close_matches(name, every, n=2, cutoff=0.75) or ends[:2]
    return f" (did you mean {' or '.join(f'config.{n}' for n in found)}?)" if found else ""
