"""Learning rates of the self-supervised releases: of pretext training by step, of linear evaluation by epoch.

Source: spec/self_supervised.md, 2.7 and 2.9.
"""
import math
from typing import NamedTuple

import jax.numpy as jnp

IMAGES, FLOOR = 256, 0.001      # images a base rate is given for; the warm-up's share of it that no cosine goes below


class Pretext(NamedTuple):
    """lr: per 256 images, scaled linearly with `batch`. cosine, else times `decay` from each milestone (epochs from 0).

    warmup: epochs; `warm_up` is the originals' rule.
    """

    lr: float
    batch: int
    epochs: int
    steps_per_epoch: int
    cosine: bool = True
    milestones: tuple[int, ...] = ()
    decay: float = 0.1
    warmup: int = 0

    @property
    def peak(self) -> float:
        return self.lr * self.batch / IMAGES

    @property
    def warm_end(self) -> float:
        """What the warm-up ends at: the cosine's value there, about a floor of a thousandth that only it has."""
        floor = FLOOR * self.peak
        fall = (1 + math.cos(math.pi * self.warmup / self.epochs)) / 2
        return floor + (self.peak - floor) * fall if self.cosine else self.peak


def warm_up(epochs: int, batch: int, asked: bool = False) -> int:
    """The originals' warm-up in epochs: where asked for, or for batches above 256, 5, or 10 of more than 500."""
    return (10 if epochs > 500 else 5) * (asked or batch > IMAGES)


def pretext_rate(schedule: Pretext):
    """step (from 0) -> learning rate: constant inside an epoch, but linear from 0 over the warm-up, by step."""
    s = schedule

    def rate(step):
        epoch = step // s.steps_per_epoch
        passed = sum((epoch >= m).astype(jnp.int32) for m in s.milestones) if s.milestones else 0
        scale = (1 + jnp.cos(jnp.pi * epoch / s.epochs)) / 2 if s.cosine else jnp.asarray(s.decay) ** passed
        if not s.warmup:
            return s.peak * scale
        warm = (step + 1) / (s.warmup * s.steps_per_epoch)
        return jnp.where(epoch < s.warmup, s.warm_end * warm, s.peak * scale)

    return lambda step: rate(jnp.asarray(step))


def probe_rate(lr: float, batch: int = IMAGES, milestones: tuple[int, ...] = (80, 90, 95), decay: float = 0.2):
    """epoch (from 0) -> learning rate of linear evaluation: lr * batch / 256, times `decay` from each milestone on."""
    return lambda epoch: lr * batch / IMAGES * decay ** sum(epoch >= m for m in milestones)


def ema_decay(base: float, kind: str = "constant", total_steps: int = 1):
    """step (from 0) -> decay. "cosine": 1 - (1 - base) (1 + cos(pi p)) / 2, p = (step + 1) / total_steps, up to 1."""
    if kind == "constant":
        return lambda step: base
    return lambda step: 1 - (1 - base) * (1 + jnp.cos(jnp.pi * (step + 1) / total_steps)) / 2
