"""The train state (a plain nested dict of arrays), its random streams, and the optimizer."""
from __future__ import annotations

import zlib

import jax
import jax.numpy as jnp
import optax
from flax import serialization, traverse_util


def stream(seed: int, purpose: str, step=0) -> jax.Array:
    """The PRNG key of one purpose at one step: a pure function of its arguments, so a resumed run draws the same."""
    purpose_number = zlib.crc32(purpose.encode()) & 0x7FFFFFFF
    return jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), purpose_number), step)


def base_lr(config) -> float:
    """`optim.lr`, or the common 0.05 with the family's exceptions by student (spec/protocols 1.2)."""
    if config.optim.lr is not None:
        return float(config.optim.lr)
    return float(config.optim.lr_override.get(config.student.name.split(":")[-1], 0.05))


def learning_rate(config, total_steps: int):
    """step -> learning rate, constant inside each of the train.epochs equal parts of `total_steps`.

    "step": base * decay ** (milestones passed); epoch m + 1, counted from 1, is the first after milestone m. "cosine":
    base * (1 + cos(pi e / epochs)) / 2 with e = epoch - 1 + schedule.offset (DS-SRD's own has offset 1). "constant":
    base. Linear warm-up, by step, over optim.warmup_epochs.
    """
    base, schedule, epochs = base_lr(config), config.optim.schedule, config.train.epochs
    powers = jnp.asarray([schedule.decay ** n for n in range(len(schedule.milestones) + 1)])

    def rate(step):
        epoch = step * epochs // total_steps  # from 0
        if schedule.kind == "step":
            scale = powers[sum((epoch >= m).astype(jnp.int32) for m in schedule.milestones)]
        elif schedule.kind == "cosine":
            scale = 0.5 * (1 + jnp.cos(jnp.pi * (epoch + schedule.offset) / epochs))
        else:
            scale = jnp.ones(())
        warm = config.optim.warmup_epochs * total_steps / epochs
        return base * scale * (jnp.minimum(1.0, (step + 1) / warm) if warm else 1.0)

    return rate


def sgd(config, rate) -> optax.GradientTransformation:
    """SGD as torch: decay added to the gradient, then momentum, no Nesterov, no dampening."""
    return optax.chain(optax.add_decayed_weights(config.optim.weight_decay), optax.trace(config.optim.momentum),
                       optax.scale_by_learning_rate(rate))


def partition(params: dict, trains) -> tuple[dict, dict]:
    """Splits nested params into (trained, fixed) by `trains(path tuple) -> bool`; empty dicts stay in fixed."""
    flat = traverse_util.flatten_dict(params, keep_empty_nodes=True)
    owned = {path for path, value in flat.items() if value is not traverse_util.empty_node and trains(path)}
    pick = lambda want: traverse_util.unflatten_dict({k: v for k, v in flat.items() if (k in owned) == want})
    return pick(True), pick(False)


def combine(trained: dict, fixed: dict) -> dict:
    """The inverse of `partition`."""
    flat = [traverse_util.flatten_dict(part, keep_empty_nodes=True) for part in (trained, fixed)]
    return traverse_util.unflatten_dict(flat[0] | flat[1])


def pure(state) -> dict:
    """A state as nested dicts only (optimizer tuples included), the form that checkpoints hold."""
    return serialization.to_state_dict(state)


def restored(template, tree: dict):
    """A checkpoint's nested dicts in the form of `template`."""
    return serialization.from_state_dict(template, tree)
