"""What mistakes are made of: an attribute of kdjax replaced, an owner of parameters changed, other features seen."""
from __future__ import annotations

import dataclasses
from collections.abc import Callable
from unittest import mock

from kdjax.step.objective import Objective
from kdjax.step.state import ADAPTERS


@dataclasses.dataclass(frozen=True)
class Mutant:
    """mistake: () -> context manager under which kdjax is wrong. check: a case of cases.py, or a key of CHECKS."""

    name: str
    check: str
    mistake: Callable


def patch(target, attribute: str, make: Callable) -> Callable:
    """A mistake that replaces target.attribute by make(original)."""
    return lambda: mock.patch.object(target, attribute, make(getattr(target, attribute)))


def trains(change: Callable) -> Callable:
    """Another owner of parameters: change(path) is True or False, or None to leave it."""
    def make(original):
        def owns(self, path):
            changed = change(path) if self.stage is None and path[0] == ADAPTERS else None
            return original(self, path) if changed is None else changed
        return owns
    return patch(Objective, "trains", make)


def frozen(name: str) -> Callable:
    return trains(lambda path: False if name in path else None)


def thawed(name: str) -> Callable:
    return trains(lambda path: True if name in path else None)


def teacher_trains(original):
    return lambda self, net: True if self.task.nets[net].role == "frozen" else original(self, net)


def after_init(**changes) -> Callable:
    """A method whose attributes are changed after it is built: values, or functions of the method."""
    def make(original):
        def init(self, *args):
            original(self, *args)
            for name, value in changes.items():
                setattr(self, name, value(self) if callable(value) else value)
        return init
    return make


def feature_instead(wrong: Callable) -> Callable:
    """A method that sees other features: wrong(features) for both networks."""
    def make(original):
        change = lambda out: out._replace(features=wrong(out.features))
        return lambda self, ctx, memory: original(
            self, dataclasses.replace(ctx, forward=lambda net, view="x": change(ctx.forward(net, view))), memory)
    return make
