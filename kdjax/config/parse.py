"""A command line as a config: the file that it names, the fields that it sets, the refusals, the notes."""
from __future__ import annotations

import copy
import warnings
from collections.abc import Callable

from ml_collections import ConfigDict

from kdjax.config import milestones, pair
from kdjax.config.check import check
from kdjax.config.fields import renamed
from kdjax.config.file import load
from kdjax.config.override import override
from kdjax.config.words import Asked, read
from kdjax.errors import UserError


def parse(argv: list[str], canonical: Callable[[str], str]) -> ConfigDict:
    """The checked config of a command line; every mistake is a UserError, what a user might not expect a warning.

    canonical: a method's own name for any that it has (`kdjax.methods.canonical`), for `--distill`.
    """
    asked = read(argv, canonical)
    if not asked.spec:
        raise UserError("say what to run: --config configs/itrd.py (or --distill NAME); `--help` shows more")
    written = load(asked.spec)
    config = overridden(written, asked)
    if (spec := pair.spec(asked)) is not None:
        written = load(spec)
        config = overridden(written, asked)
    _forget_supposed_teacher(config, asked)
    check(config)
    milestones.follow(config, written)
    idle = asked.idle and f"without a meaning here, and left out: {', '.join(asked.idle)}"
    for note in filter(None, (idle, milestones.note(config, written.train.epochs))):
        warnings.warn(note, stacklevel=2)
    return config


def overridden(written: ConfigDict, asked: Asked) -> ConfigDict:
    """A copy of a config with the fields that a command line sets."""
    config = copy.deepcopy(written)
    for name, text in asked.fields:
        override(config, name, text)
    return config


def _forget_supposed_teacher(config: ConfigDict, asked: Asked) -> None:
    """A checkpoint that is given says itself what it holds: the name that the config supposes goes, one that was typed
    stays."""
    typed = {renamed(name) for name, _ in asked.fields}
    arguments = [part.partition("=")[0].strip() for part in asked.spec.partition(":")[2].split(",")]
    if "teacher.checkpoint" in typed and "teacher.name" not in typed and "teacher" not in arguments:
        config.teacher.name = ""
