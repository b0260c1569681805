"""The words of the command line: lists, pairs, seeds, grids, fields."""
from __future__ import annotations

import re

from kdjax.errors import UserError


def words(text: str) -> tuple[str, ...]:
    """`a,b` as its words."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def pair(text: str) -> tuple[str, str]:
    """`TEACHER/STUDENT`, where the teacher may be a path: the last slash divides."""
    teacher, slash, student = text.rpartition("/")
    if not (teacher and slash and student):
        raise UserError(f"--pairs {text!r} is not TEACHER/STUDENT, such as resnet56/resnet20")
    return teacher, student


def numbers(text: str) -> tuple[int, ...]:
    """`0,1,4-6` as whole numbers."""
    found = []
    for word in words(text):
        span = re.fullmatch(r"(\d+)(?:-(\d+))?", word)
        if span is None or int(span[2] or span[1]) < int(span[1]):
            raise UserError(f"--seeds {word!r} is no number and no range such as 0-4")
        found += range(int(span[1]), int(span[2] or span[1]) + 1)
    return tuple(dict.fromkeys(found))


def values(text: str) -> tuple[str, tuple[str, ...]]:
    """`FIELD=V1,V2` as (field, values); semicolons divide where a value itself has commas."""
    field, equals, rest = text.partition("=")
    found = tuple(v.strip() for v in rest.split(";" if ";" in rest else ",") if v.strip())
    if not (field and equals and found):
        raise UserError(f"--grid {text!r} is not FIELD=VALUE,VALUE, such as loss.beta=0.5,1,2")
    return field.removeprefix("config."), found


def field(text: str) -> tuple[str, str]:
    """`--config.FIELD=VALUE` as (field, value)."""
    name, equals, value = text.partition("=")
    if not name.startswith("--config.") or not equals:
        raise UserError(f"{text!r} is not understood; fields are set as --config.FIELD=VALUE, `--help` shows the rest")
    return name.removeprefix("--config."), value
