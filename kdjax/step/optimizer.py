"""SGD as torch computes it, and which of the parameters it owns."""
from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import traverse_util


def sgd(config, rate) -> optax.GradientTransformation:
    """SGD as torch: decay added to the gradient, then momentum (Nesterov's if asked), no dampening."""
    return optax.chain(optax.add_decayed_weights(config.optim.weight_decay),
                       optax.trace(config.optim.momentum, nesterov=config.optim.nesterov),
                       scale_by_rate(rate))


def scale_by_rate(rate: Callable) -> optax.GradientTransformationExtraArgs:
    """Updates times minus the learning rate: rate(steps done), or the number that `update` is told as `rate`."""
    own = optax.scale_by_learning_rate(rate)

    def update(updates, state, params=None, *, rate=None, **_):
        if rate is None:
            return own.update(updates, state, params)
        scaled = jax.tree.map(lambda u: -rate.astype(u.dtype) * u, updates)
        return scaled, state._replace(count=optax.safe_increment(state.count))

    return optax.GradientTransformationExtraArgs(own.init, update)


def own_rates(tx: optax.GradientTransformation, rates: Mapping[str, float],
              base: float) -> optax.GradientTransformation:
    """`tx`, whose schedule is a multiple of `base`, with the updates of the networks in `rates` scaled to theirs."""
    if not rates:
        return tx

    def scaled(updates, state, params=None):
        times = {net: functools.partial(jnp.multiply, rates.get(net, base) / base) for net in updates}
        return {net: jax.tree.map(times[net], tree) for net, tree in updates.items()}, state

    return optax.chain(tx, optax.GradientTransformation(lambda params: (), scaled))


def fresh(tx: optax.GradientTransformation, params):
    """tx.init(params) for SGD, which begins with zeros everywhere: made on the host, where they need no compilation."""
    return jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), jax.eval_shape(tx.init, params))


def partition(params: dict, trains: Callable[[tuple], bool]) -> tuple[dict, dict]:
    """Splits nested params into (trained, fixed) by `trains(path tuple)`; empty dicts stay in fixed."""
    flat = traverse_util.flatten_dict(params, keep_empty_nodes=True)
    owned = {path for path, value in flat.items() if value is not traverse_util.empty_node and trains(path)}
    pick = lambda want: traverse_util.unflatten_dict({k: v for k, v in flat.items() if (k in owned) == want})
    return pick(True), pick(False)


def combine(trained: dict, fixed: dict) -> dict:
    """The inverse of `partition`."""
    flat = [traverse_util.flatten_dict(part, keep_empty_nodes=True) for part in (trained, fixed)]
    return traverse_util.unflatten_dict(flat[0] | flat[1])
