"""Learning rates as functions of the step."""
from __future__ import annotations

import jax.numpy as jnp

from kdjax.step.pretext_schedules import Pretext, pretext_rate


def base_lr(config) -> float:
    """`optim.lr`, or the common 0.05 with the family's exceptions by student (spec/protocols 1.2)."""
    if config.optim.lr is not None:
        return float(config.optim.lr)
    return float(config.optim.lr_override.get(config.student.name.split(":")[-1], 0.05))


def learning_rate(config, total_steps: int):
    """step -> learning rate, constant inside each of the train.epochs equal parts of `total_steps`.

    "step": base * decay ** (milestones passed); epoch m + 1, counted from 1, is the first after milestone m. "cosine":
    base * (1 + cos(pi e / epochs)) / 2 with e = epoch - 1 + schedule.offset (DS-SRD's own has offset 1). "constant":
    base. Linear warm-up, by step, over optim.warmup_epochs. "pretext_...": see pretext_schedules.py.
    """
    base, schedule, epochs = base_lr(config), config.optim.schedule, config.train.epochs
    if schedule.kind in ("pretext_cosine", "pretext_step"):
        return pretext_rate(Pretext(base, config.data.batch_size, epochs, total_steps // epochs,
                                    schedule.kind == "pretext_cosine", tuple(schedule.milestones), schedule.decay,
                                    config.optim.warmup_epochs))
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
