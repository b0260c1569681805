"""Inputs for every loss: random ones of given sizes, and the degenerate ones where JAX and torch could part.

A case is (positional arguments as nested lists of NCHW numpy float64, keyword arguments). `LOSSES` says for each loss
how to draw one, which arguments are differentiated, which degenerate kinds must give torch's numbers (`kinds`), and
where torch itself gives NaN or 1e11 while kdjax promises finite numbers (`finite`).
"""
from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Dims(NamedTuple):
    """batch; channels, height and vector width of student and teacher; classes."""

    b: int = 4
    c_s: int = 3
    c_t: int = 5
    h_s: int = 4
    h_t: int = 4
    d_s: int = 6
    d_t: int = 7
    classes: int = 5


@dataclasses.dataclass(frozen=True)
class Loss:
    draw: Callable
    grads: tuple[int, ...] = (0, 1)
    kinds: tuple[str, ...] = ()
    finite: tuple[str, ...] = ()


def vectors(r, d, same=False):
    return [r.standard_normal((d.b, d.d_s)), r.standard_normal((d.b, d.d_s if same else d.d_t))]


def maps(r, d, channels=False, size=False):
    """A student and a teacher map; channels, size: equal ones."""
    s = r.standard_normal((d.b, d.c_s, d.h_s, d.h_s))
    c, h = d.c_s if channels else d.c_t, d.h_s if size else d.h_t
    return [s, r.standard_normal((d.b, c, h, h))]


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def units(r, d, rows=None):
    """Unit rows [B, D] (or [rows, D]), student and teacher."""
    return [unit(r.standard_normal((rows or d.b, d.d_s))) for _ in range(2)]


def logits(r, d):
    return [3 * r.standard_normal((d.b, d.classes)) for _ in range(2)]


def labels(r, d):
    return r.integers(0, d.classes, d.b)


def stages(r, d, same_size):
    """Three stages of equal channels: [student maps, teacher maps]; sizes shrink."""
    shapes = [(d.c_s + i, max(d.h_s - i, 1), max((d.h_s if same_size else d.h_t) - i, 1)) for i in range(3)]
    return [[r.standard_normal((d.b, c, h[side], h[side])) for c, *h in shapes] for side in (0, 1)]


def bank(r, d):
    """Unit z_s, z_t and the gathered rows [B, K + 1, D] of both banks."""
    return [*units(r, d), *(unit(r.standard_normal((d.b, 7, d.d_s))) for _ in range(2))]


def vid_inputs(r, d):
    h = min(d.h_s, d.h_t)
    return [r.standard_normal((d.b, d.c_t, h, h)), 3 * r.standard_normal(d.c_t),
            r.standard_normal((d.b, d.c_t, d.h_t, d.h_t))]


def semckd_inputs(r, d):
    grid = [[r.standard_normal((d.b, d.c_t, d.h_s + i, d.h_s + i)) for _ in range(3)] for i in range(2)]
    return [grid, [[x + r.standard_normal(x.shape) for x in row] for row in grid], r.random((d.b, 2, 3))]


def prsd_inputs(r, d):
    sizes = (3, 8)
    return [*units(r, d), [unit(r.standard_normal((m, d.d_s))) for m in sizes], [0.05 + r.random(m) for m in sizes]]


def centres(r, d):
    """Two embeddings, five class means and labels."""
    return [*vectors(r, d, same=True), r.standard_normal((5, d.d_s)), r.integers(0, 5, d.b)]


def ofd_inputs(r, d):
    """Stages of equal channels and any sizes, and margins below zero."""
    maps_s, maps_t = stages(r, d, False)
    return [maps_s, maps_t, [-0.2 - r.random(t.shape[1]) for t in maps_t]]


def regions(r, d):
    """Region logits of both networks and labels, some of which the teacher knows."""
    s, t = (3 * r.standard_normal((d.b, 5, d.classes)) for _ in range(2))
    y = np.where(np.arange(d.b) % 2 == 0, t[:, 0].argmax(1), labels(r, d))
    return [s, t, y]


def simkd_inputs(r, d):
    h = min(d.h_s, d.h_t)
    return [r.standard_normal((d.b, d.c_t, h, h)), r.standard_normal((d.b, d.c_t, d.h_t, d.h_t))]


def rows(x):
    """What a kind acts on: the arrays of a student or teacher argument, one or a list."""
    return x if isinstance(x, list) else [x]


def equal(args):
    args[1] = [x.copy() for x in args[0]] if isinstance(args[0], list) else args[0].copy()


def duplicate(args):
    """Samples 0 and 1 agree in both networks."""
    for x in (*rows(args[0]), *rows(args[1])):
        x[1] = x[0]


def zero(args):
    """Sample 0 is all zero in both networks."""
    for x in (*rows(args[0]), *rows(args[1])):
        x[0] = 0


def zero_student(args):
    for x in rows(args[0]):
        x[0] = 0


def dead_channel(args):
    """The first channel (or feature) of both is zero for every sample, as ReLU leaves it."""
    for x in (*rows(args[0]), *rows(args[1])):
        x[:, 0] = 0


def large(args):
    for x in (*rows(args[0]), *rows(args[1])):
        x *= 100


def relu(args):
    """Both are non-negative with many exact zeros."""
    for x in (*rows(args[0]), *rows(args[1])):
        np.maximum(x + 0.5, 0, out=x)


def on_margin(args):
    """Student exactly at +-1, teacher exactly at 0 in places."""
    for s, t in zip(args[0], args[1], strict=True):
        s[0], s[1], t[:2] = 1.0, -1.0, 0.0


def flat(args):
    """Rows of equal logits: sample 0 of both, sample 1 of the student."""
    for x in (args[0], args[1]):
        x[0] = 2.0
    args[0][1] = -1.0


def tied(args):
    """Embeddings of equal length, the teacher's along another axis."""
    args[1][:] = args[0][:, ::-1]


def clamped(args):
    args[2] = np.array(3.0)


def huge_scale(args):
    args[1][:2] = 300.0, -300.0


KINDS = {f.__name__: f for f in (equal, duplicate, zero, zero_student, dead_channel, large, relu, on_margin, clamped,
                                 huge_scale, flat, tied)}
EVERY = ("equal", "duplicate", "zero", "relu", "large")

LOSSES = {
    "kl_divergence": Loss(lambda r, d: (logits(r, d), {"temperature": 3.0}), kinds=EVERY),
    "dkd": Loss(lambda r, d: ([*logits(r, d), labels(r, d)], {"alpha": 1.5}), kinds=EVERY),
    "wsld": Loss(lambda r, d: ([*logits(r, d), labels(r, d)], {"label_smoothing": 0.1}), kinds=EVERY),
    "nkd": Loss(lambda r, d: ([*logits(r, d), labels(r, d)], {"gamma": 3.5, "temperature": 3.0}),
                kinds=(*EVERY, "flat")),
    "ttm": Loss(lambda r, d: (logits(r, d), {"power": 0.2}), kinds=(*EVERY, "flat")),
    "wttm": Loss(lambda r, d: (logits(r, d), {"power": 0.2}), kinds=(*EVERY, "flat")),
    "rld": Loss(lambda r, d: ([*logits(r, d), labels(r, d)], {"alpha": 1.5, "alpha_temperature": 2.0}),
                kinds=(*EVERY, "flat")),
    "dist": Loss(lambda r, d: (logits(r, d), {"beta": 2.0, "temperature": 2.0}), kinds=(*EVERY[:-1], "dead_channel"),
                 finite=("large", "flat")),
    "mlkd": Loss(lambda r, d: ([*logits(r, d), *logits(r, d)], {"temperature": 2.5}), (0, 1, 2, 3),
                 kinds=(*EVERY, "flat")),
    "sdd_kd": Loss(lambda r, d: (regions(r, d), {"temperature": 3.0}), kinds=EVERY),
    "sdd_dkd": Loss(lambda r, d: (regions(r, d), {"beta": 2.0}), kinds=EVERY),
    "ofd": Loss(lambda r, d: (ofd_inputs(r, d), {}), kinds=EVERY),
    "reviewkd": Loss(lambda r, d: (stages(r, d, True), {}), kinds=EVERY),
    "cat_kd": Loss(lambda r, d: (maps(r, d, channels=True), {}), kinds=EVERY, finite=("zero_student", "dead_channel")),
    "norm_direction": Loss(lambda r, d: (centres(r, d), {}), kinds=("equal", "duplicate", "zero_student", "relu",
                                                                    "large", "tied"), finite=("zero",)),
    "hint": Loss(lambda r, d: (maps(r, d, True, True), {}), kinds=EVERY),
    "attention": Loss(lambda r, d: (maps(r, d), {}), kinds=(*EVERY, "zero_student", "dead_channel")),
    "similarity": Loss(lambda r, d: (maps(r, d), {}), kinds=("equal", "duplicate", "relu", "large"),
                       finite=("zero", "zero_student")),
    "vid": Loss(lambda r, d: (vid_inputs(r, d), {}), (0, 1, 2), kinds=("huge_scale",)),
    "factor_transfer": Loss(lambda r, d: (maps(r, d), {}), kinds=("duplicate", "zero_student", "relu", "large"),
                            finite=("equal", "zero")),
    "nst": Loss(lambda r, d: (maps(r, d), {}), kinds=(*EVERY, "dead_channel")),
    "ickd": Loss(lambda r, d: (maps(r, d, channels=True), {}), kinds=("equal", "duplicate", "large"),
                 finite=("zero", "dead_channel", "relu")),
    "simkd": Loss(lambda r, d: (simkd_inputs(r, d), {}), kinds=("zero",)),
    "activation_boundary": Loss(lambda r, d: (stages(r, d, True), {}), kinds=(*EVERY, "on_margin")),
    "fsp": Loss(lambda r, d: (stages(r, d, False), {}), kinds=(*EVERY, "dead_channel")),
    "correlation_congruence": Loss(lambda r, d: (vectors(r, d, same=True), {}), kinds=EVERY),
    "rkd": Loss(lambda r, d: (vectors(r, d), {}), kinds=EVERY),
    "pkt": Loss(lambda r, d: (vectors(r, d), {}), kinds=("equal", "duplicate", "relu", "large"),
                finite=("zero", "zero_student")),
    "ega": Loss(lambda r, d: (vectors(r, d, same=True), {}), kinds=("duplicate", "relu", "large"),
                finite=("equal", "zero")),
    "itrd_correlation": Loss(lambda r, d: (vectors(r, d, same=True), {"alpha": 1.01}),
                             kinds=("equal", "duplicate", "large"), finite=("dead_channel",)),
    "itrd_mutual": Loss(lambda r, d: (vectors(r, d), {}), kinds=("equal", "duplicate", "relu", "large"),
                        finite=("zero", "zero_student")),
    "dcd": Loss(lambda r, d: ([*units(r, d), np.array(1.0), np.array(0.3)], {}), (0, 1, 2, 3),
                kinds=("equal", "duplicate", "clamped")),
    "srrl": Loss(lambda r, d: ([*vectors(r, d, same=True), *logits(r, d)], {}), (0, 1, 2, 3), kinds=("zero", "equal")),
    "crd": Loss(lambda r, d: (bank(r, d), {"n_data": 20}), kinds=("equal", "duplicate", "zero")),
    "rrd_momentum": Loss(lambda r, d: (bank(r, d), {"n_data": 20}), kinds=("equal", "duplicate", "zero")),
    "crd_fifo": Loss(lambda r, d: ([*units(r, d), units(r, d, 8)[0]], {}), kinds=("equal", "duplicate", "zero")),
    "rrd": Loss(lambda r, d: ([*units(r, d), units(r, d, 8)[0]], {}), (0,), kinds=("equal", "duplicate", "zero")),
    "prototype_relation": Loss(lambda r, d: ([*vectors(r, d, same=True), *prsd_inputs(r, d)[2:]], {}),
                               kinds=("equal", "duplicate")),
    "prsd": Loss(lambda r, d: (prsd_inputs(r, d), {}), kinds=("equal", "duplicate", "zero")),
    "semckd": Loss(lambda r, d: (semckd_inputs(r, d), {}), (0, 1, 2)),
    "kdsvd": Loss(lambda r, d: (stages(r, d, True), {}), (0,), finite=("duplicate", "dead_channel", "zero", "relu")),
}


def draw(name: str, dims: Dims | None = None, seed: int = 0, kind: str | None = None):
    """(arguments, keyword arguments) of one case."""
    args, kwargs = LOSSES[name].draw(np.random.default_rng(seed), dims or Dims())
    if kind:
        KINDS[kind](args)
    return args, kwargs
