"""Mistakes in DS-SRD's programs; `mutants.py` judges them.

Mistakes in a step are judged by two steps of a made-up run beside the torch reference, operation by operation.
"""
from __future__ import annotations

import functools
from collections.abc import Callable
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np

from kdjax.data import mixes, mixing, picking
from kdjax.methods.memories import prototypes
from kdjax.methods.proto import Proto
from kdjax.step import ema, update
from kdjax.step.context import Passes
from kdjax.tasks import double_student
from kdjax.tasks.double_student import DoubleStudent
from kdjax.tasks.mixed import Mixer
from parity_tests import ds_srd_made, ds_srd_steps, golden_data
from parity_tests.mutation import Mutant, after_init, patch
from parity_tests.reference import ds_srd
from parity_tests.tolerances import error

STEPS = 2


def average_first(original):
    """The teacher follows the encoder from before the optimizer's step."""
    def apply(objective, state, grads, seen, *rate):
        followed = ema.follow(state._replace(ema=seen.ema), objective.task.nets).ema
        with mock.patch.object(type(objective.task), "after_update", lambda self, new: new._replace(ema=followed)):
            return original(objective, state, grads, seen, *rate)
    return apply


def statistics(how: str) -> Callable:
    """Another fate of the teacher's running statistics."""
    return patch(double_student, "FOLLOWED", lambda _: dict.fromkeys(("copy", "ema", "none"), how))


def detached(original):
    return lambda self, ctx: jax.lax.stop_gradient(original(self, ctx))


def one_view(original):
    """Everybody sees the main view."""
    return lambda self, net, view="x", train=None: original(self, net, "x" if view in ("x2", "strong") else view, train)


def own_partner(original):
    """Both halves of a mixed cross-entropy know the image's own label."""
    return lambda logits, labels, perm, lam: original(logits, labels, jnp.arange(len(labels)), lam)


def uncorrected(original):
    """Labels are mixed with the lambda that was drawn, not with the area that was kept."""
    return {**original, "cutmix": original["cutmix"]._replace(kept=lambda draws, height, width: draws["lam"])}


def wider_box(original):
    return lambda lam, center, height, width: jnp.minimum(original(lam, center, height, width) + jnp.asarray(
        [0, 0, 1, 1]), jnp.asarray([height, width, height, width]))


def worst_picked(original):
    return lambda score, n: original(-score, n)


def log_of_softmax(_):
    """Entropy as released: an underflow is a NaN, which sorts highest."""
    def entropy(logits):
        p = jax.nn.softmax(logits)
        return -jnp.sum(p * jnp.log(p), axis=-1)
    return entropy


def last_left_out(original):
    return lambda score, assign, count: original(score.at[-1].set(-jnp.inf), assign, count)


def absent_counted(original):
    def columns(memory, index, chosen):
        found = original(memory, index, chosen)
        return found._replace(present=[jnp.ones_like(there) for there in found.present])
    return columns


def without_density(original):
    def columns(memory, index, chosen):
        found = original(memory, index, chosen)
        return found._replace(density=[jnp.full_like(phi, 0.1) for phi in found.density])
    return columns


def stale_teacher(original):
    """The teacher's logits of x stand for those of x'."""
    return lambda self, ctx, rows: ctx.teacher.logits[rows.source]


DS, AVERAGED, PCL, OWN, FOLLOWER, MIX, LABELS, PICKED = (f"made: {name}" for name in (
    "double student", "double student, averaged statistics, encoder", "prototypes", "prototypes, own view, DKD",
    "prototypes, averaged student", "mixing", "mixing, labels too", "mixing, picked"))
MUTANTS = [
    Mutant("DS: teacher averaged before the update", DS, patch(update, "apply_gradients", average_first)),
    Mutant("DS: the teacher's statistics stay its own", DS, statistics("own")),
    Mutant("DS: the teacher's statistics copied, not averaged", AVERAGED, statistics("copy")),
    Mutant("DS: the teacher sees the weak student's view", DS, patch(Passes, "__call__", one_view)),
    Mutant("DS: mixed labels know one image only", DS, patch(double_student, "mixed_cross_entropy", own_partner)),
    Mutant("DS: the strong student learns at the weak one's rate", DS,
           patch(DoubleStudent, "__init__", after_init(rates={}))),
    Mutant("DS: an untrained predictor is decayed", AVERAGED,
           patch(DoubleStudent, "trains", lambda original: lambda self, path: True)),
    Mutant("PCL: the own view is detached", OWN, patch(Proto, "reference", detached)),
    Mutant("PCL: the averaged student's statistics are copied", FOLLOWER, patch(Proto, "__init__", after_init(
        followers=lambda self: {k: v | {"followed": "copy"} for k, v in self.followers.items()}))),
    Mutant("PCL: one density for all clusters", PCL, patch(prototypes, "columns", without_density)),
    Mutant("PCL: the last cluster is never a negative", "negatives", patch(prototypes, "negatives", last_left_out)),
    Mutant("PCL: negatives that are missing count", "few negatives", patch(prototypes, "columns", absent_counted)),
    Mutant("mixing: lambda uncorrected", LABELS, patch(mixes, "MODES", uncorrected)),
    Mutant("mixing: the box a pixel too large", MIX, patch(mixing, "cutmix_box", wider_box)),
    Mutant("mixing: no fresh look of the teacher", MIX, patch(Mixer, "target", stale_teacher)),
    Mutant("picking: the lowest scores", PICKED, patch(picking, "top", worst_picked)),
    Mutant("picking: NaN is picked", "underflow", patch(picking, "entropy", log_of_softmax)),
]


def last_negative_error() -> float:
    """Whether every cluster without an image of the batch is drawn sooner or later."""
    scores = jax.random.gumbel(jax.random.key(0), (300, 6))
    ids = jax.vmap(lambda score: prototypes.negatives(score, jnp.asarray([0, 2]), 2)[0])(scores)
    return error(np.unique(np.asarray(ids)), np.asarray([1, 3, 4, 5])) if len(np.unique(ids)) == 4 else np.inf


def few_negatives_error() -> float:
    """The golden relation whose batch leaves fewer negatives than are asked for."""
    golden = golden_data.read(golden_data.LOCAL / "ds_srd" / "prototypes.npz")
    return error(ds_srd_steps.relation(golden, 4), golden["loss4.loss"])


def underflow_error() -> float:
    """The golden scores of logits that underflow."""
    z = golden_data.read(golden_data.LOCAL / "ds_srd" / "picking.npz")
    got = picking.scores("student_entropy", logits_s=jnp.asarray(z["c2.logits_s"]))
    return error(got, z["c2.student_entropy"])


@functools.cache
def truth(name: str) -> dict:
    return ds_srd.play(ds_srd_made.made(name, STEPS))


def made_error(name: str) -> float:
    """The worst error of a made-up run's first steps."""
    made = ds_srd_made.made(name, STEPS)
    want = {k: np.asarray(v) for k, v in truth(name).items()} | {"meta": made["meta"]}
    with jax.disable_jit():
        got = ds_srd_steps.replay(made)
    return max(ds_srd_steps.errors(want, got).values())


CHECKS = {"negatives": last_negative_error, "few negatives": few_negatives_error, "underflow": underflow_error}
CHECKS |= {f"made: {name}": functools.partial(made_error, name) for name in ds_srd_made.CASES}
