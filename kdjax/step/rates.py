"""Networks that learn at a rate of their own."""
from __future__ import annotations

import jax
import optax

from kdjax.step.schedules import base_lr


def own_rates(tx: optax.GradientTransformation, task, config) -> optax.GradientTransformation:
    """`tx`, with the updates of each network in `task.rates` scaled to its base rate.

    Every schedule is proportional to its base, so a network's own schedule is the run's times a factor.
    """
    scale = {net: rate / base_lr(config) for net, rate in task.rates.items()}

    def scaled(updates, state, params=None):
        return {net: jax.tree.map(lambda u: u * scale[net], tree) if net in scale else tree  # noqa: B023
                for net, tree in updates.items()}, state

    return optax.chain(tx, optax.GradientTransformation(lambda params: (), scaled)) if scale else tx
