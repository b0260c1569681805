"""What all command lines share: a user's mistake becomes one sentence and status 2."""
from __future__ import annotations

import argparse
import inspect
import os
import sys
import types
import warnings
from collections.abc import Callable

from kdjax.errors import UserError


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaints are UserErrors."""

    def error(self, message: str):
        raise UserError(f"{message}; `{self.prog} --help` shows what it takes")


def guarded(main: Callable[[], int]) -> int:
    """Runs main(); UserError -> `error: ...` on stderr, 2. A closed pipe or Ctrl-C ends quietly."""
    warnings.formatwarning = lambda message, *_, **__: f"warning: {message}\n"
    try:
        return main() or 0
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def callable_as(module: str, function: Callable) -> None:
    """Makes a command's module callable, so that `kdjax.evaluate(...)` works and is still the module of that name:
    Python binds a submodule to its package under its own name, and a function there would hide or be hidden."""
    command = sys.modules[module]
    kind = types.new_class("Command", (types.ModuleType,), exec_body=lambda body: body.update(
        __call__=staticmethod(function), __signature__=inspect.signature(function)))
    command.__class__ = kind
