"""Values that a config file chooses by its pair of networks, where the command line names the pair as fields."""
from __future__ import annotations

from kdjax.config.fields import renamed
from kdjax.config.file import find
from kdjax.config.words import Asked

MARK = "common.pair("  # what a config calls that takes `teacher=` and `student=`


def spec(asked: Asked) -> str | None:
    """The config's file and argument with the networks that fields (or the originals' flags) name; None where they name
    none, or the config takes no pair.

    `configs/itrd.py --config.student.name=vgg8 --config.teacher.checkpoint=a/b` -> `configs/itrd.py:student=vgg8,
    _teacher=a/b`: chosen for that pair, all else as before (configs/common.py reads which network a path holds).
    """
    file, _, argument = asked.spec.partition(":")
    named = networks(asked)
    if not named or MARK not in find(file).read_text(errors="replace"):
        return None
    kept = [part for part in argument.split(",") if part and part.partition("=")[0].strip() not in named]
    return f"{file}:{','.join([*kept, *(f'{name}={value}' for name, value in named.items())])}"


def networks(asked: Asked) -> dict[str, str]:
    """{"student": name, "_teacher": name, or path with a slash, of the first one}: those that fields give."""
    typed = {renamed(name): text or "" for name, text in asked.fields}
    path = typed.get("teacher.checkpoint", "").split(",")[0]
    teacher = typed.get("teacher.name", "").split(",")[0] or (path if "/" in path or not path else f"./{path}")
    return {name: value for name, value in (("student", typed.get("student.name")), ("_teacher", teacher)) if value}
