"""The words of a command line, kdjax's and the original programs', sorted into what they ask for."""
from __future__ import annotations

import dataclasses
import difflib
import posixpath
from collections.abc import Callable

from kdjax.config.flags import PARTS, PROGRAMS, UNCLEAR, Flag, Program, spelled
from kdjax.errors import UserError

OWN = ("--config", "--workdir", "--list", "--help", "--distill")


@dataclasses.dataclass
class Asked:
    """spec: the config file with its argument. fields: (dotted name, text or None) in the order given. idle: the
    originals' flags without a meaning here. parts: {field: the parts of a name that several flags make up}."""

    spec: str = ""
    fields: list[tuple[str, str | None]] = dataclasses.field(default_factory=list)
    idle: list[str] = dataclasses.field(default_factory=list)
    parts: dict[str, list[str]] = dataclasses.field(default_factory=dict)


def read(argv: list[str], canonical: Callable[[str], str]) -> Asked:
    """What a command line asks for. `--distill NAME` chooses configs/NAME.py by the method's own name, canonical(NAME);
    the first word may be an original program's. Raises UserError for a word that nobody knows, with the near one, and
    for a flag without its value.
    """
    program, rest = called(list(argv))
    asked, flags, fields = Asked(program.config), program.table(), list(program.words)
    while rest:
        word = rest.pop(0)
        flag, equals, text = word.partition("=")
        if not word.startswith("-") and fields:
            asked.fields.append((fields.pop(0), word))
        elif spelled(flag) in flags:
            original(asked, flags[spelled(flag)], flag, text if equals else None, rest)
        elif flag == "--distill":
            asked.spec = f"configs/{canonical(text if equals else following(flag, rest))}.py"
        else:
            own(asked, flag, text if equals else None, rest, flags)
    asked.fields += [(field, "_".join(parts)) for field, parts in asked.parts.items()]
    asked.fields = [(name, text) for name, text in asked.fields if name]
    return asked


def called(argv: list[str]) -> tuple[Program, list[str]]:
    """The original program that a command begins with, and the words after it; RepDistiller's student by default."""
    rest = argv[1:] if argv[:1] in (["python"], ["python3"]) else argv
    name = posixpath.basename(rest[0]) if rest else ""
    return (PROGRAMS[name], rest[1:]) if name in PROGRAMS else (PROGRAMS["train_student.py"], argv)


def original(asked: Asked, flag: Flag, name: str, text: str | None, rest: list[str]) -> None:
    """What a flag of an original program asks for."""
    text = text or (following(name, rest) if flag.to is None else flag.to)
    text = flag.words.get(text, text if flag.other is None else flag.other)
    if flag.part:
        asked.parts.setdefault(flag.fields[0], list(PARTS[flag.fields[0]]))[flag.part] = text
    elif flag.fields:
        asked.fields += [(field, text) for field in flag.fields]
    elif name not in asked.idle:
        asked.idle.append(name)


def following(flag: str, rest: list[str]) -> str:
    """The word after a flag, which is its value, a negative number too."""
    if not rest or rest[0].startswith("--"):
        raise UserError(f"{flag} needs a value; `--help` shows how")
    return rest.pop(0)


def own(asked: Asked, flag: str, text: str | None, rest: list[str], flags: dict) -> None:
    """What one of kdjax's own flags asks for: --config, --workdir, --config.FIELD, --noconfig.FIELD."""
    name = flag.lstrip("-")
    if not flag.startswith("-") or not (name in ("config", "workdir") or name.startswith(("config.", "noconfig."))):
        raise UserError(not_understood(flag, flags))
    if name.startswith("noconfig."):
        asked.fields.append((name.removeprefix("noconfig."), "False"))
        return
    if text is None and rest and not rest[0].startswith("-"):
        text = rest.pop(0)
    if name.startswith("config."):
        asked.fields.append((name.removeprefix("config."), text))
    elif not text:
        raise UserError(f"--{name} needs a value; `--help` shows how")
    elif name == "config":
        asked.spec = text
    else:
        asked.fields.append(("experiment.workdir", text))


def not_understood(word: str, flags: dict) -> str:
    """The message for a word that is no flag, with the near one."""
    if word in UNCLEAR:
        return f"{word} is {UNCLEAR[word]}; write the long name, or --config.FIELD=VALUE"
    near = difflib.get_close_matches(word, [*OWN, *flags], n=1)
    guess = f" (did you mean {near[0]}?)" if near else ""
    return f"{word!r} is not understood{guess}; fields are set as --config.FIELD=VALUE, `--help` shows the rest"
