"""Means, deviations and intervals of a few runs, and of the difference of two such means."""
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

LEVEL = 0.95


class Summary(NamedTuple):
    """n values: mean, sample standard deviation (None for n = 1) and the interval of the mean (Student's t)."""

    n: int
    mean: float
    sd: float | None
    low: float | None
    high: float | None


class Difference(NamedTuple):
    """A difference of means with its interval (None where a single run tells nothing of the spread)."""

    value: float
    low: float | None
    high: float | None

    @property
    def outside_noise(self) -> bool | None:
        """Whether the interval leaves out zero; None without one."""
        return None if self.low is None else not self.low <= 0 <= self.high


def summary(values: Sequence[float]) -> Summary:
    """Mean, sd (n - 1) and the 95% interval mean +- t(n - 1) sd / sqrt(n) of at least one value."""
    values = np.asarray(values, np.float64)
    n, mean = len(values), float(values.mean())
    return of(n, mean, float(values.std(ddof=1)) if n > 1 else None)


def of(n: int, mean: float, sd: float | None) -> Summary:
    """The summary that a paper's `mean +- sd` of n runs stands for."""
    if sd is None or n < 2:
        return Summary(n, mean, None, None, None)
    half = float(stats.t.ppf(0.5 + LEVEL / 2, n - 1)) * sd / math.sqrt(n)
    return Summary(n, mean, sd, mean - half, mean + half)


def from_constant(own: Summary, other: float) -> Difference:
    """own - other, where of the other only a number is known: all of the interval is one's own spread."""
    shift = lambda value: None if value is None else value - other
    return Difference(own.mean - other, shift(own.low), shift(own.high))


def between(own: Summary, other: Summary) -> Difference:
    """own - other with Welch's interval: unequal variances, Satterthwaite's degrees of freedom.

    Where one side is a single run the interval is unknown. Two spreads of exactly zero give an interval of no width.
    """
    value = own.mean - other.mean
    if own.sd is None or other.sd is None:
        return Difference(value, None, None)
    a, b = own.sd**2 / own.n, other.sd**2 / other.n
    if a + b == 0:
        return Difference(value, value, value)
    freedom = (a + b) ** 2 / (a**2 / (own.n - 1) + b**2 / (other.n - 1))
    half = float(stats.t.ppf(0.5 + LEVEL / 2, freedom)) * math.sqrt(a + b)
    return Difference(value, value - half, value + half)
