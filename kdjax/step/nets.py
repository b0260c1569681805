"""A network in its role: trained, frozen, or following another."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

FRESH = "fresh"  # the source of an "ema" that does not start as a copy


class Net(NamedTuple):
    """A network of a task.

    role: "trained" (its parameters are the optimizer's), "frozen" (given, never changed, behind stop_gradient), "ema"
    (a running average of the network `follows`, behind stop_gradient). source: where its weights come from; "" is a
    fresh initialisation (of an "ema": a copy of what it follows; FRESH: one of its own). decay: step -> the average's
    decay, or a number. followed: what becomes of an ema's running statistics: "copy" (the followed network's), "ema"
    (averaged like the parameters) or "own" (its passes' own). statistics: what its batch norms normalise with while
    training.
    """

    network: Any
    role: Literal["trained", "frozen", "ema"]
    source: str = ""
    follows: str = ""
    decay: float | Callable = 0.99
    followed: Literal["copy", "ema", "own"] = "copy"
    statistics: Literal["batch", "running"] = "batch"


def trained(network, source: str = "") -> Net:
    """A network that the optimizer owns."""
    return Net(network, "trained", source)


def frozen(network, source: str = "", statistics: str = "running") -> Net:
    """A given network that only shows what it sees."""
    return Net(network, "frozen", source, statistics=statistics)
