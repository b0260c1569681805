"""Mistakes in the pretext tasks and in self-supervised DS-SRD; `mutants.py` judges them.

Most are judged by the originals' training steps (golden/self_supervised) or the reference's, those of DS-SRD by what
must hold of one step of a made-up run. The steps run operation by operation, as `mutants.py` has it.
"""
from __future__ import annotations

import functools
import types
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from kdjax import losses
from kdjax.data import imix
from kdjax.models import heads
from kdjax.step import update
from kdjax.step.context import Passes
from kdjax.tasks import passes, pretext
from kdjax.tasks.pretext import Pretext
from parity_tests import selfsup_made
from parity_tests.mutation import Mutant, patch, trains
from parity_tests.tolerances import error
from tests.selfsup_golden import load
from tests.tasks.selfsup_steps import Case
from tests.tasks.test_pretext import built


def follow_late(original):
    """The target looks before it is moved."""
    def terms(self, ctx, memory):
        move, self.follow = self.follow, lambda *_: None
        try:
            found = original(self, ctx, memory)
        finally:
            del self.follow
        move(ctx.of(pretext.PIECES).forward, memory[pretext.PIECES]["step"])
        return found
    return terms


def follow_all(original):
    """The target's running statistics are averaged too, not its own."""
    def follow(self, look, step):
        original(self, look, step)
        if "target" in self.nets:
            rate = self.decay(step)
            look.stats["target"] = jax.tree.map(lambda t, o: rate * t + (1 - rate) * o, look.stats["target"],
                                                look.stats["online"])
    return follow


def biased_variance(original):
    """The target's running variance takes the biased variance of the batch."""
    def run(self, net, view, train):
        before = self.stats[net]
        out, rows = original(self, net, view, train), len(self.inputs[view])
        biased = lambda path, old, new: new if path[-1].key != "var" else 0.9 * old + (new - 0.9 * old) * (
            rows - 1) / rows
        if self.nets[net].role == "ema":
            self.stats[net] = jax.tree_util.tree_map_with_path(biased, before, self.stats[net])
        return out
    return run


def enqueued_early(original):
    """The keys of the batch are in the queue already when the logits are made."""
    def compare(o, q, k, queue, mixing, like_byol=True):
        early = None if queue is None else losses.queue_enqueue(queue, 0, k)[0]
        return original(o, q, k, early, mixing, like_byol)
    return compare


def undetached(original):
    """Nothing is detached in a pass."""
    lax = types.SimpleNamespace(**vars(original.lax) | {"stop_gradient": lambda x: x})
    return types.SimpleNamespace(**vars(original) | {"lax": lax})


def keys_mixed(original):
    """The partner's share of the loss goes to the own key."""
    return lambda values, partner, lam: original(values, None, None)


def misaligned(original):
    """The teacher's features stay in the order in which it saw the images (D1)."""
    return lambda nets, o, draws, x2: original(nets, o._replace(aligned=False), draws, x2)


BYOL, NPAIR, MOCON, GROUPS, ORDER, LEARN, STRONG = ("step: byol", "step: npair", "step: mocon", "step: four devices",
                                                    "order of keys", "who learns", "strong alone")
MUTANTS = [
    Mutant("pretext: the target looks before it is moved", BYOL, patch(Pretext, "terms", follow_late)),
    Mutant("pretext: the target's statistics are averaged", BYOL, patch(Pretext, "follow", follow_all)),
    Mutant("pretext: biased running variance in the target", BYOL, patch(Passes, "_run", biased_variance)),
    Mutant("i-Mix: lambda below a half", BYOL, patch(imix, "at_least_half", lambda _: lambda lam: lam)),
    Mutant("i-Mix: the loss knows one key only", NPAIR, patch(losses.selfsup, "_weighted", keys_mixed)),
    Mutant("moco: keys enqueued before the logits", MOCON, patch(passes, "compare", enqueued_early)),
    Mutant("moco: keys never enqueued", MOCON, patch(pretext, "remember", lambda _: lambda memory, keys: memory)),
    Mutant("pretext: batch norm over the whole batch", GROUPS, patch(heads, "grouped", lambda _: lambda net, n: net)),
    Mutant("DS-SRD: the teacher's features stay shuffled (D1)", ORDER, patch(passes, "_keys", misaligned)),
    Mutant("DS-SRD: CRD's embeddings are not trained (D2)", LEARN,
           trains(lambda path: False if path[2] in ("embed_s", "embed_t") else None)),
    Mutant("DS-SRD: the weak student's term reaches its keys", STRONG, patch(passes, "jax", undetached)),
]


def steps_error(name: str) -> float:
    """The worst error of a golden file's losses, gradients and states, by the measure of level (d)."""
    return worst(*load(name))


def groups_error() -> float:
    """The same of two steps of the reference on four devices."""
    return worst(*selfsup_made.made("byol, four devices, shuffled", 2))


def worst(data, meta) -> float:
    with jax.disable_jit():
        return max(error(got, want) for _, got, want in Case(data, meta).differences("f64"))


def made(method: str, **changed):
    """(case, draws -> (gradients, what else was seen)) of one step of a made-up DS-SRD run."""
    case = built(method)
    case.task.options = case.task.options._replace(**changed)
    return case, lambda draws: update.gradients(case.objective, case.state, {}, case.batch._replace(draws=draws))


def order_error() -> float:
    """The term does not depend on the order in which the target sees the images of one batch."""
    case, look = made("byol")
    draws = case.task.draw(jax.random.key(5), case.batch)
    shuffled = {"ssl": {"0": draws["ssl"]["0"] | {"shuffle": jnp.asarray([3, 1, 7, 0, 2, 6, 5, 4])}}}
    with jax.disable_jit():
        return error(look(shuffled)[1].terms["crd"], look(draws)[1].terms["crd"])


def learn_error() -> float:
    """Everything that CRD is made of has a gradient: 0, or 1."""
    case, look = made("byol")
    with jax.disable_jit():
        grads, _ = look(case.task.draw(jax.random.key(5), case.batch))
    found = grads["adapters"]["ssl"] if "adapters" in grads else {}
    alive = [any(np.any(x) for x in jax.tree.leaves(found.get(name, {}))) for name in ("embed_s", "embed_t")]
    return float(not all(alive))


def strong_error() -> float:
    """The strong student's gradient with a weak student beside it and without."""
    def of(**changed):
        case, look = made("npair", **changed)
        with jax.disable_jit():
            return look(case.task.draw(jax.random.key(5), case.batch))[0]["online"]
    one, other = of(), of(weak="none")
    return max(error(a, b, scale=1.0) for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other)))


CHECKS: dict[str, Callable[[], float]] = {
    BYOL: functools.partial(steps_error, "step_byol_imixup"), ORDER: order_error, LEARN: learn_error,
    NPAIR: functools.partial(steps_error, "step_npair_imixup"), STRONG: strong_error,
    MOCON: functools.partial(steps_error, "step_mocon_imixup"), GROUPS: groups_error}
