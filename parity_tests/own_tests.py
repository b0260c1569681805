"""The project's own tests as a check of mistakes: does one of them fail while kdjax is wrong?

Run in this process and without pytest, so that one takes milliseconds. Tests with fixtures other than `tmp_path` are
left out; parameters are gone through as `pytest.mark.parametrize` gives them.
"""
from __future__ import annotations

import functools
import importlib
import inspect
import itertools
import pathlib
import sys
import tempfile
import textwrap
import warnings
from collections.abc import Callable, Iterator
from unittest import mock

import jax
import pytest

ROOT = str(pathlib.Path(__file__).resolve().parents[1])
MARK = "tests."  # what the name of such a check begins with


def error(name: str) -> float:
    """1.0 if a test of `tests.run.test_headline` (or the one test `tests.run.test_headline:test_...`) fails, else 0."""
    module, _, test = name.partition(":")
    if ROOT not in sys.path:
        sys.path.insert(0, ROOT)
    with warnings.catch_warnings(), jax.enable_x64(False):
        warnings.simplefilter("ignore")
        for call in calls(importlib.import_module(module), test):
            try:
                with tempfile.TemporaryDirectory() as folder:
                    call(pathlib.Path(folder))
            except (Exception, pytest.fail.Exception):  # what it asserts, or the mistake broke something louder
                return 1.0
    return 0.0


def calls(module, only: str = "") -> Iterator[Callable]:
    """Every call, with a fresh folder, that pytest would make of a module's tests that need nothing more."""
    for name, function in list(vars(module).items()):
        if name.startswith("test_") and name.startswith(only):
            for arguments in parameters(function):
                needs = inspect.signature(function).parameters.keys() - arguments.keys()
                if needs <= {"tmp_path"}:
                    yield functools.partial(called, function, arguments, needs)


def called(function, arguments: dict, needs: set, folder: pathlib.Path) -> None:
    function(**arguments, **dict.fromkeys(needs, folder))


def parameters(function) -> Iterator[dict]:
    """The arguments that the marks of a test give it, in every combination."""
    marks = [mark.args for mark in getattr(function, "pytestmark", []) if mark.name == "parametrize"]
    for chosen in itertools.product(*(values for _, values in marks)):
        arguments = {}
        for (names, _), value in zip(marks, chosen):
            names = [n.strip() for n in names.split(",")] if isinstance(names, str) else list(names)
            values = getattr(value, "values", None) if hasattr(value, "marks") else None
            values = values if values is not None else value if len(names) > 1 else (value,)
            arguments |= dict(zip(names, values))
        yield arguments


def edit(owner, name: str, old: str, new: str) -> Callable:
    """A mistake in one place of the source of owner.name: `old`, which stands there once, becomes `new`.

    It is made wherever the function has been imported to, tests included.
    """
    return lambda: Edited(owner, name, old, new)


class Edited:
    """The context manager of an edit."""

    def __init__(self, owner, name: str, old: str, new: str):
        self.original, found = inspect.getattr_static(owner, name), {}
        function = inspect.unwrap(getattr(self.original, "fget", None) or self.original)
        source = textwrap.dedent(inspect.getsource(function))
        if source.count(old) != 1:
            raise LookupError(f"{old!r} stands {source.count(old)} times in {name}")
        module = sys.modules[function.__module__]
        exec(compile(source.replace(old, new), f"<{name} with a mistake>", "exec"), vars(module), found)  # noqa: S102
        self.wrong, self.places = found[function.__name__], [owner]
        if not inspect.isclass(owner):
            near = [m for n, m in list(sys.modules.items()) if n.split(".")[0] in ("kdjax", "tests", "parity_tests")]
            self.places = [module for module in near if vars(module).get(name) is self.original]
        self.name, self.patches = name, []

    def __enter__(self):
        self.patches = [mock.patch.object(place, self.name, self.wrong) for place in self.places]
        for patch in self.patches:
            patch.start()

    def __exit__(self, *_):
        for patch in self.patches:
            patch.stop()
