"""Networks that follow another one: the exponential moving average of its parameters, and what its statistics do."""
from __future__ import annotations

from collections.abc import Mapping

import jax

from kdjax.step.nets import Net
from kdjax.step.state import TrainState


def average(old, new, decay):
    """decay * old + (1 - decay) * new, leaf by leaf, in the old leaf's type."""
    return jax.tree.map(lambda a, b: (decay * a + (1 - decay) * b).astype(a.dtype), old, new)


def start(state: TrainState, nets: Mapping[str, Net]) -> TrainState:
    """The state with every following network a copy of what it follows, where it has no weights of its own yet."""
    fresh = {name: state.net(net.follows) for name, net in nets.items() if net.role == "ema" and name not in state.ema}
    return state._replace(ema={**state.ema, **fresh})


def follow(state: TrainState, nets: Mapping[str, Net]) -> TrainState:
    """The state after every following network has moved one step towards what it follows (with its new weights)."""
    return state._replace(ema={name: _moved(state, name, nets[name]) for name in state.ema})


def _moved(state: TrainState, name: str, net: Net) -> dict:
    old, new = state.ema[name], state.net(net.follows)
    decay = net.decay(state.step) if callable(net.decay) else net.decay
    stats = {"copy": lambda: new["batch_stats"], "own": lambda: old["batch_stats"],
             "ema": lambda: average(old["batch_stats"], new["batch_stats"], decay)}[net.followed]()
    return {"params": average(old["params"], new["params"], decay), "batch_stats": stats}
