"""One pass of a pretext task: mix the queries, run the networks, compare them, remember the keys.

Order and sources: spec/self_supervised.md, 2.3 to 2.5 and 3.2. Everything random comes in as draws, so that a test can
give the originals'. A `Nets` runs the networks; which of them are trained, follow or stay is its business.
"""
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp

from kdjax import losses
from kdjax.data import imix
from kdjax.losses import selfsup
from kdjax.losses.ops import l2_normalize
from kdjax.methods.memories import bank

METHODS = ("npair", "moco", "mocon", "byol")
IMIX = ("none", "imixup", "icutmix")
WEAK = ("none", "crd", "infonce")
HAS_QUEUE, HAS_TARGET = ("moco", "mocon"), ("moco", "mocon", "byol")


class Nets(Protocol):
    """forward(net, x, between=None) -> Output of "online", "target" or "weak" on an array; adapt(name, x) of
    "predictor", "embed_s", "embed_t"."""

    def forward(self, net: str, x: jax.Array, between: Callable | None = None) -> Any: ...

    def adapt(self, name: str, x: jax.Array) -> jax.Array: ...


class Options(NamedTuple):
    """What a pass computes. weak: the term of the weak student, "none" without one; strong: whether there is an online
    network at all (a frozen teacher needs none). layers: where i-Mix may mix, 0 the input, 1 the stem, 2.. the stages.
    aligned: False leaves the teacher's features, not its keys, in the shuffled order, as the release does (D1).
    """

    method: str = "byol"
    imix: str = "imixup"
    layers: tuple[int, ...] = (0,)
    temperature: float = 0.2
    predictor: bool = True
    weak: str = "none"
    strong: bool = True
    beta: float = 1.0
    crd_temperature: float = 0.07
    crd_momentum: float = 0.5
    aligned: bool = True


class Pass(NamedTuple):
    """terms: named scalars, already weighted. memory: with the banks moved, the queue still as it was; keys [B, D]:
    what `remember` puts there. logits [B, >= B]: for the retrieval accuracy, own column i (moco: 0).
    """

    terms: dict[str, jax.Array]
    memory: dict
    keys: jax.Array
    logits: jax.Array | None
    weak_logits: jax.Array | None


class Mixer:
    """i-Mix with one draw, at whichever layer was picked; `lam` is known once that layer has been passed.

    rows: how many rows from the first on are queries (npair stacks clean views under them); None is all.
    """

    def __init__(self, options: Options, draws: dict, rows: int | None = None):
        self.options, self.draws, self.rows, self._lams = options, draws, rows, {}

    @property
    def inside(self) -> Callable | None:
        """For the encoder's `between`, None where mixing only ever happens at the input."""
        hidden = self.options.imix != "none" and any(layer > 0 for layer in self.options.layers)
        return (lambda depth, x: self(depth + 1, x)) if hidden else None

    def __call__(self, position: int, x: jax.Array) -> jax.Array:
        if self.options.imix == "none" or position not in self.options.layers:
            return x
        queries = x[:self.rows]
        mixed, self._lams[position] = self._mix(queries)
        if len(self.options.layers) > 1:
            mixed = jnp.where(self._picked == position, mixed, queries)
        return mixed if self.rows is None else jnp.concatenate([mixed, x[self.rows:]])

    @property
    def labels(self) -> dict:
        """partner and lam for a loss; nothing without mixing."""
        if self.options.imix == "none":
            return {}
        lam = sum(jnp.where(self._picked == at, lam, 0) for at, lam in self._lams.items()) if len(
            self._lams) > 1 else next(iter(self._lams.values()))
        return {"partner": self.draws["partner"], "lam": lam}

    @property
    def _picked(self) -> jax.Array:
        return jnp.asarray(self.options.layers)[self.draws["pick"]]

    def _mix(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        given = {key: self.draws[key] for key in ("partner", "lam_raw")}
        if self.options.imix == "imixup":
            return imix.imixup(x, **given)
        centre = jnp.floor(self.draws["place"] * jnp.asarray(x.shape[1:3])).astype(jnp.int32)
        return imix.icutmix(x, **given, centre=centre)


def draw(key: jax.Array, options: Options, n: int, alpha: float = 1.0) -> dict:
    """The draws of one pass over n images: lam_raw, partner, for icutmix place [2] in 0 .. 1, and the layer's pick."""
    mix, place, pick = jax.random.split(key, 3)
    if options.imix == "none":
        return {}
    drawn = imix.draw_imixup(mix, n, alpha)
    if options.imix == "icutmix":
        drawn |= {"lam_raw": drawn["lam_raw"][0], "place": jax.random.uniform(place, (2,))}
    if len(options.layers) > 1:
        drawn["pick"] = jax.random.randint(pick, (), 0, len(options.layers))
    return drawn


def one_pass(nets: Nets, options: Options, memory: dict, draws: dict, x1: jax.Array, x2: jax.Array) -> Pass:
    """Query view x1 [B, ...] against key view x2. draws: of `draw`; index [B], contrast [B, K + 1] (crd); shuffle [B],
    the order in which the target sees the keys (it matters only to batch norms over parts of a batch)."""
    o, terms, logits, weak_logits = options, {}, None, None
    mixer = Mixer(o, draws, len(x1) if o.method == "npair" and o.strong else None)
    q, keys = _compared(nets, o, draws, mixer, x1, x2)
    k = l2_normalize(keys.logits)
    queue = memory.get("queue")
    if o.strong:
        terms[o.method], logits = compare(o, q, k, queue, mixer.labels)
    if o.weak != "none":
        weak, k, v = nets.forward("weak", x1), *jax.lax.stop_gradient((k, keys.features.embedding))
        if o.weak == "crd":
            z_s, z_t = nets.adapt("embed_s", weak.features.embedding), nets.adapt("embed_t", v)
            loss, banks = crd(o, z_s, z_t, memory, draws)
            terms["crd"], memory = o.beta * loss, memory | banks
        else:
            term, weak_logits = compare(o, l2_normalize(weak.logits), k, queue, {}, like_byol=False)
            terms["infonce"] = term
    return Pass(terms, memory, k, logits, weak_logits)


def remember(memory: dict, keys: jax.Array) -> dict:
    """The memory with the keys of a pass in its queue, if it has one; after the logits, never before."""
    if "queue" not in memory:
        return memory
    rows, ptr = losses.queue_enqueue(memory["queue"], memory["ptr"], jax.lax.stop_gradient(keys))
    return memory | {"queue": rows, "ptr": ptr}


def _compared(nets: Nets, o: Options, draws: dict, mixer: Mixer, x1, x2):
    """(unit queries or None, the Output that gives the keys)."""
    if o.method == "npair" and o.strong:
        out = nets.forward("online", mixer(0, jnp.concatenate([x1, x2])), mixer.inside)
        first, second = (jax.tree.map(lambda x: x[part], out) for part in (slice(len(x1)), slice(len(x1), None)))
        return l2_normalize(_predicted(nets, o, first.logits)), second
    q = None
    if o.strong:
        out = nets.forward("online", mixer(0, x1), mixer.inside)
        q = l2_normalize(_predicted(nets, o, out.logits))
    return q, jax.lax.stop_gradient(_keys(nets, o, draws, x2))


def _predicted(nets: Nets, o: Options, projection: jax.Array) -> jax.Array:
    return nets.adapt("predictor", projection) if o.predictor else projection


def _keys(nets: Nets, o: Options, draws: dict, x2: jax.Array):
    """The target's Output in the order of the images, whatever order it saw them in."""
    if "shuffle" not in draws:
        return nets.forward("target", x2)
    back, out = jnp.argsort(draws["shuffle"]), nets.forward("target", x2[draws["shuffle"]])
    ordered = jax.tree.map(lambda x: x[back], out)
    return ordered if o.aligned else ordered._replace(features=out.features)


def compare(o: Options, q, k, queue, mixing: dict, like_byol: bool = True) -> tuple[jax.Array, jax.Array]:
    """(loss, logits) of unit rows q against unit keys k by the method. The weak student's term is always InfoNCE
    (`like_byol` False): its own projection against the same keys."""
    t = {"temperature": o.temperature}
    if o.method == "byol" and like_byol:
        return selfsup.byol(q, k, **mixing), selfsup.similarities(q, jax.lax.stop_gradient(k))
    if o.method == "moco":
        return selfsup.moco(q, k, queue, **t), selfsup.moco_logits(q, k, queue, **t)
    logits = selfsup.similarities(q, k, queue if o.method == "mocon" else None, **t)
    if o.method == "mocon":
        return selfsup.mocon(q, k, queue, **t, **mixing), logits
    return selfsup.npair(q, k, **t, **mixing), logits


def crd(o: Options, z_s, z_t, memory: dict, draws: dict) -> tuple[jax.Array, dict]:
    """(loss, what changed in the memory): each embedding against the other's bank at the rows draws["contrast"]."""
    chosen = draws["contrast"]
    pick = lambda z, rows: jnp.take_along_axis(bank.scores(z, rows, o.crd_temperature), chosen, axis=1)
    loss_s, norm_s = losses.nce_from_scores(pick(z_s, memory["bank_t"]), len(memory["bank_t"]), memory["norm_s"])
    loss_t, norm_t = losses.nce_from_scores(pick(z_t, memory["bank_s"]), len(memory["bank_s"]), memory["norm_t"])
    banks = bank.update({key: memory[key] for key in ("bank_s", "bank_t")}, draws["index"], z_s, z_t, o.crd_momentum)
    return loss_s + loss_t, banks | {"norm_s": norm_s, "norm_t": norm_t}


def uniform_contrast(key: jax.Array, index: jax.Array, n: int, count: int) -> jax.Array:
    """[B, count + 1]: the own row, then `count` of the other n - 1 with replacement; no labels are looked at (D3)."""
    others = jax.random.randint(key, (len(index), count), 0, n - 1)
    return jnp.concatenate([index[:, None], others + (others >= index[:, None])], axis=1)
