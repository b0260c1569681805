"""A config from the command line: the file with its argument, then the fields that are set one by one."""
from __future__ import annotations

import ast
import difflib
import importlib.util
import sys
import traceback
from pathlib import Path

from ml_collections import ConfigDict

from kdjax.config import default
from kdjax.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
SEE = "`python -m kdjax.main --list` shows the configs"
WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
KINDS = {bool: "True or False", int: "a whole number", float: "a number", tuple: "a list such as (1,2) or a,b"}


def load(spec: str) -> ConfigDict:
    """`configs/itrd.py:teacher=resnet56,demo` -> what the file's get_config(argument) returns, open to no new fields.

    The path is relative to the current folder, else to the folder that holds kdjax. Raises UserError for a missing or a
    broken file, naming its line.
    """
    name, _, argument = spec.partition(":")
    path = find(name)
    try:
        module = execute(path)
        if not callable(getattr(module, "get_config", None)):
            raise UserError(f"{path} has no function get_config(arg=None); add one that returns a config, as "
                            "configs/kd.py does")
        config = module.get_config(argument) if argument else module.get_config()
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        raise UserError(f"the config file {path} failed{line_of(error, path)} with {type(error).__name__}: "
                        f"{first_line(error)}; correct it") from None
    if not isinstance(config, ConfigDict):
        raise UserError(f"get_config of {path} returned a {type(config).__name__}; return a ConfigDict made by "
                        "kdjax.config.default()")
    return config.lock()


def find(name: str) -> Path:
    """The config file called `name`; a UserError with the near ones where there is none."""
    for path in (Path(name), ROOT / name):
        if name and path.is_file():
            return path
    known = [f"configs/{path.name}" for path in sorted((ROOT / "configs").glob("*.py")) if path.stem != "common"]
    near = difflib.get_close_matches(name, known, n=1)
    raise UserError(f"there is no config file {name!r}{f' (did you mean {near[0]}?)' if near else ''}; {SEE}")


def execute(path: Path):
    """The file as a module; its folder's parent can be imported from, as `from configs import common` needs."""
    parent = str(path.resolve().parent.parent)
    if parent not in sys.path:
        sys.path.append(parent)
    spec = importlib.util.spec_from_file_location(f"kdjax_config_{path.stem}", path)
    if spec is None:
        raise UserError(f"{path} is not a Python file; {SEE}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def line_of(error: BaseException, path: Path) -> str:
    """` at line 3` of the config file, where the error tells."""
    if isinstance(error, SyntaxError):
        return f" at line {error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if Path(frame.filename).resolve() == path.resolve()]
    return f" at line {lines[-1]}" if lines else ""


def first_line(error: BaseException) -> str:
    """The message of an error in one line."""
    return " ".join((str(error) or "no message").split())[:300]


def override(config: ConfigDict, name: str, text: str | None) -> None:
    """Sets the field `loss.beta` from the text of the command line, in the type it has. text: None sets a flag.

    Raises UserError for an unknown field, with the near ones, and for a value of another type.
    """
    block, last = walk(config, name)
    kind = block.get_type(last)
    if kind is ConfigDict:
        raise UserError(f"config.{name} is a group of fields; set one of them: "
                        f"{', '.join(f'config.{name}.{key}' for key in block[last])}")
    if text is None and kind is not bool:
        raise UserError(f"config.{name} needs a value: --config.{name}=VALUE")
    try:
        empty = text == "None" and last in default_group(name) and default_group(name)[last] is None
        block[last] = True if text is None else None if empty else value(kind, text)
    except (ValueError, SyntaxError, TypeError, OverflowError, RecursionError, MemoryError):
        raise UserError(f"config.{name}={text!r} is not {KINDS.get(kind, 'a value of its kind')}; its value was "
                        f"{block[last]!r}") from None


def walk(config: ConfigDict, name: str) -> tuple[ConfigDict, str]:
    """(the group, the last word) of a dotted name; a UserError with the near fields where it does not exist."""
    block, words = config, name.split(".")
    for depth, word in enumerate(words):
        if not isinstance(block, ConfigDict) or word not in block:
            raise UserError(f"there is no field config.{name}{near(config, name)}; docs/config.md lists every field")
        if depth == len(words) - 1:
            return block, word
        block = block[word]


def near(config: ConfigDict, name: str) -> str:
    """` (did you mean config.train.epochs?)`: the fields that are called almost so, or end in the same word."""
    every, last = list(names(config)), name.rpartition(".")[2]
    ends = [n for n in every if n.rpartition(".")[2] == last]
    found = difflib.get_close_matches(name, every, n=2, cutoff=0.75) or ends[:2]
    return f" (did you mean {' or '.join(f'config.{n}' for n in found)}?)" if found else ""


def names(config: ConfigDict, prefix: str = ""):
    """The dotted names of all fields."""
    for key in config:
        if config.get_type(key) is ConfigDict:
            yield from names(config[key], f"{prefix}{key}.")
        else:
            yield prefix + key


def default_group(name: str):
    """The group of a field in the default config; an empty one for fields of a user's own."""
    group = default()
    for word in name.split(".")[:-1]:
        group = group.get(word, {})
    return group


def value(kind: type, text: str):
    """The text as a value of `kind`; raises ValueError and its relatives."""
    if kind is bool:
        if text.lower() not in WORDS:
            raise ValueError(text)
        return WORDS[text.lower()]
    if kind in (tuple, list):
        return items(text)
    return kind(text)


def items(text: str) -> tuple:
    """`(1,2)`, `1,2`, `a,b` or `('a','b')` as a tuple."""
    try:
        found = ast.literal_eval(text) if text.strip() else ()
    except (ValueError, SyntaxError):
        if set(text) & set("()[]{}\"'"):
            raise
        found = tuple(word.strip() for word in text.split(","))
    return tuple(found) if isinstance(found, tuple | list) else (found,)
