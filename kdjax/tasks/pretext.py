"""Self-supervision: npair, moco, mocon or byol, with or without i-Mix, and DS-SRD's weak student beside it.

Three programs in one (spec/self_supervised.md, 3.7): pretext (an online network and its target), DS-SRD (the same with
a weak student that learns from the target), distillation from a frozen teacher (a weak student and a given target).
"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp

from kdjax.data import imix
from kdjax.losses import selfsup
from kdjax.methods.base import Method
from kdjax.methods.memories import bank, queue
from kdjax.models import heads
from kdjax.step import ema
from kdjax.step.nets import Net
from kdjax.tasks.base import Task
from kdjax.tasks.passes import Options, draw, one_pass, remember, uniform_contrast

PIECES = "ssl"          # the name of what a pretext task keeps besides its networks
NEGATIVES = ("uniform", "other_class")


class Draws(NamedTuple):
    """What `Pieces.draw` draws. passes: 1, or 2 (both views in both roles). inputmix: partners of InputMix, 0 none.
    negatives: of CRD, 0 none. shuffle: the order of the keys, which matters to batch norm in groups."""

    passes: int = 1
    alpha: float = 1.0
    inputmix: int = 0
    inputmix_alpha: float = 1.0
    negatives: int = 0
    others: str = "uniform"
    shuffle: bool = False


class Memory(NamedTuple):
    """How the memories start. queue: keys, 0 none; dim: width of a key; bank: width of CRD's rows, 0 none."""

    queue: int = 0
    dim: int = 128
    bank: int = 0


class Pieces(Method):
    """Predictor, CRD's embeddings, queue and banks of a pretext task; its loss is the task's."""

    name, has_memory = PIECES, True

    def __init__(self, options: Options, draws: Draws, memory: Memory, adapters: Mapping, train_embed: bool = True):
        super().__init__(None, None, None)
        self.options, self.drawing, self.memory, self.adapters = options, draws, memory, dict(adapters)
        self.frozen = frozenset() if train_embed else frozenset({"embed_s", "embed_t"})

    def init_memory(self, key, labels):
        keys, m, found = jax.random.split(key), self.memory, {}
        if m.queue:
            found = queue.init(keys[0], m.queue, m.dim)
        if m.bank:
            banks = bank.init(keys[1], labels, m.bank, int(jnp.max(labels)) + 1)
            found |= {k: v for k, v in banks.items() if k != "table" or self.drawing.others == "other_class"}
        return found | {"step": jnp.zeros((), jnp.int32)}

    def draw(self, key, batch):
        n, d = len(batch.index), self.drawing
        keys = jax.random.split(key, 4)
        found = {str(p): draw(k, self.options, n, d.alpha) for p, k in enumerate(jax.random.split(keys[0], d.passes))}
        for p in range(d.passes):
            own = jax.random.fold_in(keys[1], p)
            if d.shuffle:
                found[str(p)]["shuffle"] = jax.random.permutation(own, n)
            if d.negatives:
                found[str(p)]["negatives"] = jax.random.key_data(jax.random.fold_in(keys[2], p))
        if d.inputmix == 1:
            found["inputmix"] = imix.draw_imixup(keys[3], 2 * n, d.inputmix_alpha)
        elif d.inputmix:
            found["inputmix"] = imix.draw_inputmix(keys[3], 2 * n, d.inputmix, d.inputmix_alpha)
        return found


class Nets:
    """A step's networks and adapters as `one_pass` wants them: on arrays, each pass under a name of its own."""

    def __init__(self, ctx):
        self.ctx, self.count = ctx, 0

    def forward(self, net: str, x: jax.Array, between: Callable | None = None):
        name, self.count = f"{PIECES}{self.count}", self.count + 1
        self.ctx.forward.show(name, x, **({} if between is None else {"between": between}))
        return self.ctx.forward(net, name)

    def adapt(self, name: str, x: jax.Array):
        return self.ctx.adapt(name, x)


class Pretext(Task):
    """The objective of a pretext task over nets by role.

    nets: "online" (trained), "target" (ema of online, or frozen), "weak" (trained), as far as there are any. decay:
    step -> the EMA's. compat: with two passes, the target moves and the keys are enqueued in each of them, as released
    (I17); else once, before the first, and the second pass does not see the first one's keys.
    """

    def __init__(self, nets: Mapping[str, Net], pieces: Pieces, views, decay: Callable = lambda step: 0.999,
                 compat: bool = False, evaluations: Mapping | None = None):
        super().__init__(nets, {PIECES: pieces}, views)
        self.options, self.pieces, self.decay, self.compat = pieces.options, pieces, decay, compat
        self.labelled = False
        self.learner, self.measured = "weak" if "weak" in nets else "online", dict(evaluations or {})

    def trains(self, path):
        """Not the weak student's head when only its features are compared: no gradient, and no decay either."""
        headless = self.options.weak == "crd" and path[0] == "weak" and path[1] in heads.CLASSIFIERS
        return super().trains(path) and not headless

    def terms(self, ctx, memory):
        own, nets, terms = ctx.of(PIECES), Nets(ctx.of(PIECES)), {}
        x1, x2 = self.views_of(own)
        kept, keys = memory[PIECES], []
        for p, pair in enumerate(((x1, x2), (x2, x1))[:self.pieces.drawing.passes]):
            if p == 0 or self.compat:
                self.follow(ctx.forward, kept["step"])
            done = one_pass(nets, self.options, kept, self.draws_of(own, p, kept), *pair)
            kept = remember(done.memory, done.keys) if self.compat else done.memory
            keys.append(done.keys)
            terms = _sum(terms, done.terms | shown(done, self.options, self.pieces.drawing.passes))
        for late in [] if self.compat else keys:
            kept = remember(kept, late)
        weights = {name: float(name in done.terms) for name in terms}
        return terms, weights, {**memory, PIECES: kept | {"step": kept["step"] + 1}}

    def views_of(self, own) -> tuple[jax.Array, jax.Array]:
        """The two views, after InputMix where there is any."""
        x1, x2 = own.batch.inputs["x"], own.batch.inputs["x2"]
        given = own.draws.get("inputmix")
        if given is None:
            return x1, x2
        mix = imix.inputmix if "weights" in given else imix.inputmix_pair
        both = mix(jnp.concatenate([x1, x2]), **given)
        return both[:len(x1)], both[len(x1):]

    def draws_of(self, own, p: int, kept: dict) -> dict:
        """The draws of a pass, CRD's rows among them."""
        given = dict(own.draws[str(p)])
        if self.options.weak == "crd":
            given["index"] = own.index
            if "contrast" not in given:
                given["contrast"] = self.contrast(jax.random.wrap_key_data(given.pop("negatives")), own, kept)
        return given

    def contrast(self, key, own, kept: dict) -> jax.Array:
        """[B, K + 1] rows of the banks, the own one first."""
        count = self.pieces.drawing.negatives
        if self.pieces.drawing.others == "uniform":
            return uniform_contrast(key, own.index, len(kept["bank_s"]), count)
        return others_contrast(key, own.index, own.labels, kept["table"], count)

    def follow(self, passes, step) -> None:
        """Moves the target towards the online network as it is before this update."""
        if "target" in self.nets and self.nets["target"].role == "ema":
            old, new = (passes.variables[net]["params"] for net in ("target", "online"))
            passes.move("target", ema.average(old, new, self.decay(step)))

    def predict(self, ctx):
        """No labels, no logits."""
        return None

    def evaluations(self):
        return self.measured

    def exports(self):
        """The student, and what DS-SRD calls the strong one and the teacher."""
        others = {"strong": "online", "teacher": "target"}
        return {"student": self.learner} | {folder: net for folder, net in others.items() if net in self.nets and net
                                            != self.learner and self.nets[net].role != "frozen"}


def shown(done, options: Options, passes: int) -> dict:
    """What is logged besides the terms: how often a query finds its own key, and how far the keys spread (0 is
    collapse; 1 / sqrt(D) is the sphere's)."""
    found = {"spread": jnp.mean(jnp.std(done.keys, axis=0))}
    for name, logits in (("retrieval", done.logits), ("weak_retrieval", done.weak_logits)):
        if logits is not None:
            first = jnp.zeros(len(logits), jnp.int32) if options.method == "moco" else None
            found[name] = selfsup.retrieval(logits, first)
    return {name: jax.lax.stop_gradient(value) / passes for name, value in found.items()}


def _sum(one: dict, other: dict) -> dict:
    return {name: one.get(name, 0) + value for name, value in other.items()}


def others_contrast(key: jax.Array, index: jax.Array, labels: jax.Array, table: dict, count: int) -> jax.Array:
    """[B, count + 1]: the own row, then `count` rows of other classes with replacement; looks at labels (D3)."""
    first, own = table["first"][labels][:, None], table["count"][labels][:, None]
    rank = (jax.random.uniform(key, (len(index), count)) * (len(table["rank"]) - own)).astype(jnp.int32)
    rank = jnp.where(rank < first, rank, rank + own)
    return jnp.concatenate([index[:, None], table["by_class"][jnp.minimum(rank, len(table["rank"]) - 1)]], axis=1)
