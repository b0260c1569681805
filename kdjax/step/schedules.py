"""Quantities that change during training, learning rates first, as functions of the step or the epoch."""
from __future__ import annotations

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp

from kdjax.errors import UserError
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
    base. Linear warm-up, by step, over optim.warmup_epochs. "warmup_cosine": see `warmup_cosine`; "pretext_...":
    see pretext_schedules.py.
    """
    base, schedule, epochs = base_lr(config), config.optim.schedule, config.train.epochs
    if schedule.kind in ("pretext_cosine", "pretext_step"):
        return pretext_rate(Pretext(base, config.data.batch_size, epochs, total_steps // epochs,
                                    schedule.kind == "pretext_cosine", tuple(schedule.milestones), schedule.decay,
                                    config.optim.warmup_epochs))
    if schedule.kind == "warmup_cosine":
        return functools.partial(warmup_cosine, base=base, epochs=epochs, warmup_epochs=config.optim.warmup_epochs,
                                 steps_per_epoch=total_steps / epochs, one_based=bool(schedule.offset))
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


def warmup_cosine(step, *, base: float, epochs: int, warmup_epochs: int, steps_per_epoch: int,
                  one_based: bool = False) -> jax.Array:
    """DS-SRD's learning rate at `step` (from 0): a cosine by epochs, after a linear ramp by steps.

    With e = epoch from 0: base (1 + cos(pi e / epochs)) / 2, constant within an epoch; where e < warmup_epochs the
    ramp p * end, p = (steps done in all, this one included) / (warmup_epochs * steps_per_epoch), up to
    end = eta + (base - eta) (1 + cos(pi warmup_epochs / epochs)) / 2, eta = base / 1000.
    one_based: e is the epoch from 1 in all three places, as released; the ramp then starts at 1 / warmup_epochs and
    ends an epoch early, and the last epoch's rate is 0.
    """
    shift = 1 if one_based else 0
    e = step // steps_per_epoch + shift
    cosine = base * 0.5 * (1 + jnp.cos(jnp.pi * e / epochs))
    if not warmup_epochs:
        return cosine
    eta = base / 1000
    end = eta + (base - eta) * 0.5 * (1 + jnp.cos(jnp.pi * warmup_epochs / epochs))
    done = (step + 1 + shift * steps_per_epoch) / (warmup_epochs * steps_per_epoch)
    return jnp.where(e < warmup_epochs, done * end, cosine)


def ratio(text: str) -> Callable:
    """A piecewise constant function of the epoch from text such as "0:0.75,150:1": the value of the last key reached.

    Separators are `,` `;` or `/`; braces and quotes are allowed. Before the first key it is NaN (the release takes the
    last value there): see `bounded`. Raises UserError for text that is no such list.
    """
    pairs = _pairs(text)
    keys, values = jnp.asarray([k for k, _ in pairs]), jnp.asarray([jnp.nan, *(v for _, v in pairs)])
    return lambda epoch: values[jnp.sum(jnp.asarray(epoch) >= keys)]


def bounded(text: str, before: float) -> Callable:
    """`ratio(text)`, with the value `before` until the first key, and always where the text is empty. Raises UserError
    for values outside 0 to 1."""
    if not text.strip():
        return lambda epoch: jnp.asarray(float(before))
    if not all(0 <= value <= 1 for _, value in _pairs(text)):
        raise UserError(f"{text!r} leaves 0 to 1; ratios lie there")
    at = ratio(text)
    return lambda epoch: jnp.where(jnp.isnan(at(epoch)), before, at(epoch))


def _pairs(text: str) -> list[tuple[float, float]]:
    """The sorted (epoch, value) pairs of a schedule's text."""
    plain = text.translate(str.maketrans(";/", ",,", "{}\"' "))
    parts = [part.split(":") for part in plain.split(",") if part]
    try:
        pairs = sorted((float(epoch), float(value)) for epoch, value in parts)
    except ValueError:
        pairs = []
    if not pairs:
        raise UserError(f"{text!r} is no schedule; write epoch:value pairs, as in 0:0.75,150:1")
    return pairs
