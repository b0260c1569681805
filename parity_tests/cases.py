"""What levels (d) and (e) run: every method of kdjax, and its variants, on a tiny pair, beside the torch reference.

Both sides start from the same drawn weights and see the same batches; `run` caches what they did, because an update
(level d) is the first step of the trajectory (level e).
"""
from __future__ import annotations

import contextlib
import dataclasses
import functools
import math
from concurrent import futures

import jax
import jax.numpy as jnp
import numpy as np
import torch

from kdjax import config as kdjax_config
from kdjax import losses
from kdjax.losses.ops import in_turn
from kdjax.weights.torch.naming import torch_shapes
from parity_tests import golden_data, modern_cases
from parity_tests.jax_replay import Player, put
from parity_tests.reference import losses as reference_losses
from parity_tests.reference import methods, networks, step
from parity_tests.reference.losses import spectral
from parity_tests.reference.replay import load, shapes
from parity_tests.trajectory import Stage

BATCH, CLASSES, SIZE, N_DATA, K, STEPS, PRE_STEPS = 8, 5, 16, 32, 16, 20, 20
DIM, QUEUE = 16, 32


@dataclasses.dataclass(frozen=True)
class Case:
    """One method. options: fields of config.method; theirs: name and arguments of the reference's method.

    The weights of the loss are chosen so that each term moves the student about as much as the labels do.
    """

    method: str
    options: dict = dataclasses.field(default_factory=dict)
    theirs: tuple[str, dict] | None = None
    beta: float = 1.0
    alpha: float = 0.5
    teacher: str = "wrn_10_2"
    student: str = "resnet8"
    lr: float = 0.02
    salt: str = "parity:"  # of the drawn weights
    teacher_stats: str = "running"  # what the teacher normalises by

    @property
    def evaluated(self) -> bool:
        """Whether the deployed logits are compared too: once for the plain student, and where a method adds to it."""
        return self.method in ("kd", "simkd")


def queue(name, ours, theirs, **their_options):
    """A method with a queue. ours: (field, value) that chooses its order; theirs: the reference's name."""
    fields = {"feat_dim": DIM, f"{name}.memory": "queue", f"{name}.queue_size": QUEUE, f"{name}.{ours[0]}": ours[1]}
    return Case(name, fields, (theirs, {"dim": DIM, **their_options}))


SAME = {"teacher": "wrn_10_1"}  # the student's own channels everywhere
SMALL = {"teacher": "ShuffleV2_0_3"}  # maps half as large as the student's: strides, pooling
BANK = {"n_data": N_DATA, "dim": DIM}
CASES = {
    "vanilla": Case("vanilla", theirs=("kd", {}), alpha=0.0),
    "kd": Case("kd", alpha=0.9),
    "fitnet": Case("fitnet"),
    "fitnet stride": Case("fitnet", **SMALL),
    "at": Case("at", beta=1000.0),
    "at smaller": Case("at", beta=1000.0, **SMALL),
    "sp": Case("sp", beta=300.0),
    "cc": Case("cc", {"feat_dim": DIM}, ("cc", {"dim": DIM}), beta=0.02),
    "vid": Case("vid"),
    "vid smaller": Case("vid", **SMALL),
    "vid linear": Case("vid", {"vid.regressor": "linear", "vid.eps": 0.0},
                       ("vid", {"regressor": "linear", "eps": 0.0}), beta=0.1),
    "rkd": Case("rkd"),
    "pkt": Case("pkt", beta=3000.0),
    "ab": Case("ab"),
    "ab identity": Case("ab", **SAME),
    "ab wrn": Case("ab", student="wrn_10_1"),
    "ft": Case("ft", beta=20.0),
    "fsp": Case("fsp", **SAME),
    "nst": Case("nst", beta=10.0),
    "kdsvd": Case("kdsvd", teacher="wrn_10_1", student="wrn_10_1"),
    "crd": Case("crd", {"feat_dim": DIM, "crd.num_negatives": K}, ("crd", BANK), beta=0.8),
    "crd queue": queue("crd", ("enqueue", "after"), "crd_fifo", enqueue="after"),
    "crd queue before": queue("crd", ("enqueue", "before"), "crd_fifo", enqueue="before"),
    # Here the salt avoids dead units of the teacher, where torch has NaN.
    "itrd": Case("itrd", teacher="wrn_10_1", student="wrn_10_2", salt="parity2:"),
    "itrd same width": Case("itrd", {"itrd.alpha": 1.01}, ("itrd", {"alpha": 1.01}), salt="parity2:", **SAME),
    "ickd": Case("ickd", beta=2.5),
    "dcd": Case("dcd", {"feat_dim": DIM}, ("dcd", {"dim": DIM})),
    "rrd": queue("rrd", ("variant", "seed"), "rrd", enqueue="after", temperature_s=0.04, temperature_t=0.10),
    "rrd newest": queue("rrd", ("variant", "newest"), "rrd", enqueue="before", temperature_s=0.1,
                        temperature_t=0.02),
    "rrd bank": Case("rrd", {"feat_dim": DIM, "rrd.memory": "bank", "rrd.num_negatives": K, "rrd.variant": "newest"},
                     ("rrd_momentum", BANK)),
    "ega": Case("ega", **SAME),
    "wsld": Case("wsld"),
    "dkd": Case("dkd", {"dkd.warmup_epochs": 0}),
    "semckd": Case("semckd", theirs=("semckd", {"batch_size": BATCH})),
    "srrl": Case("srrl"),
    "simkd": Case("simkd"),
    "simkd smaller": Case("simkd", **SMALL),
} | {name: Case(**spec) for name, spec in modern_cases.CASES.items()}


def config_of(case: Case):
    config = kdjax_config.default()
    config.method.name, config.data.batch_size = case.method, BATCH
    config.loss.update({"gamma": 0.7, "alpha": case.alpha, "beta": case.beta})
    config.optim.lr, config.teacher.batch_stats = case.lr, case.teacher_stats
    for field, value in case.options.items():
        put(config.method, field, value)
    return config


def batches(count: int = STEPS) -> list[dict]:
    """Batches like those of the golden trajectories, of smaller images."""
    rng, more = np.random.default_rng(2024), np.random.default_rng(2025)
    return [_batch(rng) | _further(more, i) for i in range(count)]


def _further(rng, i) -> dict:
    """A second view, the epoch (two steps each), and KD++'s dropout of 64 values."""
    return {"strong": rng.standard_normal((BATCH, 3, SIZE, SIZE)), "epoch": np.array(1.0 + i // 2),
            "keep": rng.random((BATCH, 64)) < 0.5}


def _batch(rng):
    x = rng.standard_normal((BATCH, 3, SIZE, SIZE)) * (0.25 + 2 * rng.random((BATCH, 1, 1, 1)))
    index = rng.permutation(N_DATA)[:BATCH]
    q = rng.integers(0, N_DATA - 1, (BATCH, K))
    return {"images": (x + rng.standard_normal((BATCH, 3, 1, 1))).astype(np.float32).astype(np.float64),
            "labels": rng.integers(0, CLASSES, BATCH), "index": index,
            "contrast": np.concatenate([index[:, None], q + (q >= index[:, None])], axis=1)}


def memory_of(case: Case) -> dict:
    """Drawn banks or queue, without constants and pointer."""
    if case.method == "kdpp":
        width = methods.Shapes.of(case.teacher, networks.build(case.teacher, num_classes=CLASSES), SIZE).embedding
        return {"centers": golden_data.tensor("centers", (CLASSES, width), case.salt)}
    if case.method not in ("crd", "rrd"):
        return {}
    is_queue = case.options.get(f"{case.method}.memory") == "queue"
    if is_queue:
        return {"queue": golden_data.tensor("queue", (QUEUE, DIM), case.salt)}
    keys = {"bank_s": "memory_v1", "bank_t": "memory_v2"}
    return {name: golden_data.tensor(key, (N_DATA, DIM), case.salt) for name, key in keys.items()}


@dataclasses.dataclass
class Side:
    """What one implementation did; states of its stages: after the first and after the last step."""

    initial: dict
    pre: Stage | None
    main: Stage
    memory: dict
    deployed: np.ndarray | None  # after the last step, in eval mode: logits of what is deployed, where it says so


class Theirs:
    """The reference's players of a case, float64."""

    def __init__(self, case: Case):
        nets = {role: networks.build(getattr(case, role), num_classes=CLASSES) for role in ("student", "teacher")}
        views = {role: methods.Shapes.of(getattr(case, role), net, SIZE) for role, net in nets.items()}
        name, options = case.theirs or (case.method, {})
        self.case, self.student, self.teacher = case, nets["student"], nets["teacher"]
        self.method = methods.build(name, views["student"], views["teacher"], **options)
        for role, module in (("teacher", self.teacher), ("student", self.student), ("adapter", self.method.adapters)):
            load(module, golden_data.state_dict(shapes(module), f"{case.salt}{role}:"))

    def snapshot(self) -> dict:
        parts = (("student", self.student), ("adapter", self.method.adapters))
        return {f"{role}:{key}": value.detach().numpy().copy() for role, module in parts
                for key, value in module.state_dict().items() if not key.endswith("tracked")}

    def stage(self, data, memory, **kwargs):
        states, optim = [], config_of(self.case).optim
        sgd = {"lr": self.case.lr, "momentum": optim.momentum, "weight_decay": optim.weight_decay} | kwargs
        results, memory = step.train(self.student, self.teacher, self.method, data, memory,
                                     after=lambda: states.append(self.snapshot()), **sgd)
        terms = {{"correlation": "corr"}.get(k, k): [float(r.terms[k]) for r in results] for k in results[0].terms}
        gradients = {k: None if g is None else g.numpy() for k, g in results[0].gradients.items()}
        return Stage(terms, gradients, [states[0], states[-1]]), memory

    @torch.no_grad()
    def deployed(self, images) -> np.ndarray:
        """Evaluated logits."""
        for module in (self.student, self.teacher, self.method):
            module.eval()
        ctx = step.context(self.student, self.teacher, self.method, {"images": images})
        return (self.method.predict(ctx) if hasattr(self.method, "predict") else ctx.student.logits).numpy()


def theirs(case: Case, steps: int = STEPS, pre_steps: int = PRE_STEPS) -> Side:
    """The case played by the torch reference."""
    side = Theirs(case)
    data = [{k: torch.from_numpy(v) for k, v in b.items()} for b in batches(max(steps, pre_steps))]
    memory = {k: torch.from_numpy(v) for k, v in memory_of(case).items()}
    if memory and "centers" not in memory:
        memory |= {"ptr": 0} if "queue" in memory else {"norm_s": None, "norm_t": None}
    initial, pre = side.snapshot(), None
    for stage in side.method.stages:
        pre, _ = side.stage(data[:pre_steps], {}, stage=stage, lr=stage.lr or case.lr)
    loss = config_of(case).loss
    main, memory = side.stage(data[:steps], memory, weights=step.Weights(loss.gamma, loss.alpha, loss.beta))
    memory = {k: np.asarray(v) for k, v in memory.items()}
    logits = side.deployed(data[0]["images"]) if case.evaluated else None
    return Side(initial, pre, main, memory, logits)


def ours(case: Case, steps: int = STEPS, pre_steps: int = PRE_STEPS, dtype="float64") -> Side:
    """The case played by kdjax."""
    player = Player(config_of(case), case.student, case.teacher, CLASSES, SIZE, dtype)
    data, memory = batches(max(steps, pre_steps)), memory_of(case)
    if memory and "centers" not in memory:
        memory |= {"ptr": np.zeros((), np.int32)} if "queue" in memory else {f"norm_{s}": np.array(-1.0) for s in "st"}
    nets = (drawn(getattr(player, role), f"{case.salt}{role}:") for role in ("teacher", "student"))
    adapters = [drawn(net, f"{case.salt}adapter:", name + ".") for name, net in player.method.adapters.items()]
    now = player.start(*nets, functools.reduce(dict.__or__, adapters, {}), memory)
    initial, pre = player.snapshot(now), None
    for stage in player.method.stages:
        pre, now, _ = player.run_stage(now, data[:pre_steps], stage, every=False)
    main, now, _ = player.run_stage(now, data[:steps], every=False)
    memory = {k: np.asarray(v) for k, v in now.memory[player.name].items()}
    logits = player.deployed(now, data[0]["images"]) if case.evaluated else None
    return Side(initial, pre, main, memory, logits)


def drawn(net, salt: str, prefix: str = "") -> dict:
    """A torch state dict for a network or an adapter of kdjax."""
    return golden_data.state_dict({prefix + k: s for k, s in torch_shapes(net).items()}, salt)


@contextlib.contextmanager
def pinned_signs():
    """KD-SVD's value depends on the signs that LAPACK happens to return: here both sides make the teacher's vectors
    point where their largest entry is positive."""
    ours_, theirs_ = losses.kdsvd, reference_losses.kdsvd

    def sign(v, xp):
        top = xp.take_along_axis(v, abs(v).argmax(1, keepdims=True), 1) if xp is jnp else v.gather(
            1, v.abs().argmax(1, keepdim=True))
        return v * xp.sign(top)

    def jax_side(g_s, g_t, *, k=1):
        v_t = []
        for t in g_t:
            rows = t.reshape(t.shape[0], -1, t.shape[-1])
            rows = in_turn(rows, v_t[-1]) if v_t else rows
            v_t.append(sign(jnp.linalg.svd(rows, full_matrices=False)[2][:, :k].mT, jnp))
        return ours_(g_s, [in_turn(g_t[0], v_t[-1]), *g_t[1:]], k=k, v_t=v_t)

    losses.kdsvd = jax_side
    reference_losses.kdsvd = lambda g_s, g_t, *, k=1: theirs_(
        g_s, g_t, k=k, v_t=[sign(spectral._svd(t)[1][:, :, :k], torch) for t in g_t])
    try:
        yield
    finally:
        losses.kdsvd, reference_losses.kdsvd = ours_, theirs_


@functools.cache
def run(name: str) -> tuple[Side, Side]:
    """(kdjax, reference) of a case in float64, all its steps; side by side, as kdjax mostly compiles."""
    with pinned_signs(), futures.ThreadPoolExecutor(1) as pool:
        reference = pool.submit(theirs, CASES[name])
        return ours(CASES[name]), reference.result()


@functools.cache
def float32_error(name: str, steps: int = STEPS) -> float:
    """Largest relative difference, by tensor norms, of the tensors after the same steps (all, or 1) in float32."""
    when = -1 if steps == STEPS else 0
    want = run(name)[1].main.states[when]
    with jax.enable_x64(False), pinned_signs():
        got = ours(CASES[name], steps=steps, dtype="float32").main.states[-1]
    return max(math.nan if not np.isfinite(v).all() else
               float(np.linalg.norm(v - want[k]) / max(np.linalg.norm(want[k]), 1e-3)) for k, v in got.items())
