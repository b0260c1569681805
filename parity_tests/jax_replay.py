"""kdjax's own step on given weights and batches, told in the terms of trajectory.py: torch names, torch layout.

`Player` runs `kdjax.step.update.update` as shipped; nothing of a step is written again here. `replay` plays a golden
file.
"""
from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import traverse_util

from kdjax import config as kdjax_config
from kdjax import losses, methods, models
from kdjax.errors import UserError
from kdjax.methods.crd import CRD
from kdjax.methods.memories import bank
from kdjax.methods.rrd import RRD
from kdjax.run.plan import stage_lr
from kdjax.step.context import Batch
from kdjax.step.objective import Objective, look, predict
from kdjax.step.optimizer import combine, partition, sgd
from kdjax.step.schedules import base_lr
from kdjax.step.state import TrainState, statistics, trainable, with_trees
from kdjax.step.update import update
from kdjax.tasks.distil import Distil
from kdjax.weights.torch.naming import from_state_dict, to_state_dict, torch_key, torch_shapes
from parity_tests import golden_data
from parity_tests.bridge import nhwc
from parity_tests.trajectory import Run, Stage, method_name

TERMS = {"ce": "cls", "kl": "div", "correlation": "corr"}  # kdjax's -> the files'


class Given:
    """Mixed into a method with banks: the rows it compares are those that a golden file tells, not drawn ones."""

    def drawn(self, ctx, memory) -> bank.Draw:
        rows, total = ctx.draws["contrast"], len(memory["bank_s"])
        often = jax.nn.one_hot(rows[:, 1:], total).sum(axis=1)
        return bank.Draw(rows[:, 0], often, jnp.ones((len(rows), 1)))


def given(method: methods.Method) -> methods.Method:
    """The method, told whom it compares in every step."""
    method.__class__ = type(type(method).__name__, (Given, type(method)), {})
    return method


def remember() -> optax.GradientTransformation:
    """Passes gradients on and keeps the last ones in its state, where a test can read them."""
    return optax.GradientTransformation(lambda params: jax.tree.map(jnp.zeros_like, params),
                                        lambda grads, old, params=None: (grads, grads))


class Player:
    """One student, one teacher, one method; runs stages from given states. dtype: of weights, images and memories."""

    def __init__(self, config, student: str, teacher: str, num_classes: int, image_size: int = 32, dtype="float64"):
        self.config, self.dtype = config, jnp.dtype(dtype)
        self.student, self.teacher = (models.build(n, num_classes=num_classes, image_size=image_size)
                                      for n in (student, teacher))
        (self.name, self.method), = methods.build(config, self.student, self.teacher).items()
        if isinstance(self.method, CRD | RRD):
            self.method = given(self.method)
        self.task = Distil(config, self.student, {"teacher": self.teacher}, {self.name: self.method}, {self.name: 1.0},
                           {})

    def start(self, teacher: dict, student: dict, adapters: dict, memory: dict) -> TrainState:
        """The first state from torch state dicts and a memory of numpy arrays; adapters: all of the method's by key."""
        own, net = {}, self.variables(self.student, student)
        for name, adapter in self.method.adapters.items():
            part = {k.removeprefix(name + "."): v for k, v in adapters.items() if k.startswith(name + ".")}
            own[name] = self.variables(adapter, part, f"adapter {name!r} of {self.name}")
        self.frozen = {"teacher": self.variables(self.teacher, teacher)}
        return TrainState(params={"student": net["params"]}, stats={"student": net["batch_stats"]},
                          adapters={self.name: own}, memory={self.name: {k: self.cast(v) for k, v in memory.items()}})

    def variables(self, net, state_dict: dict, what: str = "") -> dict:
        want, have = torch_shapes(net), {k: v.shape for k, v in state_dict.items() if not k.endswith("tracked")}
        if want != have:
            raise UserError(f"{what or net.name}: the tensors do not fit kdjax's; they differ in "
                            f"{sorted(k for k in want.keys() | have.keys() if want.get(k) != have.get(k))[:4]}")
        return jax.tree.map(self.cast, from_state_dict(net, state_dict))

    def cast(self, x):
        x = jnp.asarray(x)
        return x.astype(self.dtype) if jnp.issubdtype(x.dtype, jnp.floating) else x

    def objective(self, lr: float, stage=None) -> Objective:
        tx = optax.chain(remember(), sgd(self.config, lambda count: lr))
        return Objective(self.task, tx, stage, self.name if stage else "")

    def batch(self, batch: dict) -> Batch:
        """A file's batch as kdjax's; the method's draws are those that it brings."""
        own = {k: self.cast(nhwc(np.asarray(v))) for k, v in batch.items()}
        draws = {self.name: {name: own[name] for name in ("contrast", "keep") if name in own}}
        views = {"x": own["images"]} | {name: own["strong"] for name in self.method.views}
        return Batch(views, own["labels"], own.get("index"), own.get("epoch"), draws)

    def compiled(self, objective):
        """(state, frozen, batch) -> (new state, terms with the unweighted KL, student's and teacher's logits)."""
        def one(now, frozen, batch):
            new, terms, logits, _ = update(objective, now, frozen, batch)
            if type(self.method).predict is not methods.Method.predict:  # `logits` are those of what is deployed
                logits = self.student.apply(now.net("student"), batch.inputs["x"], train=True)[0].logits
            logits_t = look(self.task, now, frozen, batch, objective.mode)[0].teacher.logits
            kl = losses.kl_divergence(logits, logits_t, temperature=self.config.loss.kd_temperature)
            return new, {"kl": kl} | terms, logits, logits_t

        return jax.jit(one)

    def run_stage(self, now: TrainState, batches: list, stage=None, every: bool = True):
        """(Stage, final state, logits of the first step); a fresh optimizer. every: keep all states, else the ends'."""
        lr = stage_lr(self.config, stage) if stage else base_lr(self.config)
        objective = self.objective(lr, stage)
        fn, rows, states = self.compiled(objective), [], []
        trained = partition(trainable(now), objective.trains)[0]
        now = now._replace(opt=objective.tx.init(trained), step=jnp.zeros((), jnp.int32))
        for i, batch in enumerate(batches):
            now, terms, *logits = fn(now, self.frozen, self.batch(batch))
            rows.append(self.terms(terms, stage))
            if every or i in (0, len(batches) - 1):
                states.append(self.snapshot(now))
            if i == 0:
                first, gradients = [np.asarray(x) for x in logits], self.gradients(now, objective)
        return Stage({k: [r[k] for r in rows] for k in rows[0]}, gradients, states), now._replace(opt=()), first

    def deployed(self, now: TrainState, images: np.ndarray) -> np.ndarray:
        """Evaluated logits of NCHW images."""
        fn = jax.jit(lambda now, frozen, x: predict(self.task, now, frozen, x))
        return np.asarray(fn(now, self.frozen, self.cast(nhwc(images))))

    def terms(self, terms: dict, stage) -> dict:
        """Terms under the files' names; `kd` is the method's weighted sum."""
        terms = {name.removeprefix(self.name + "."): float(value) for name, value in terms.items()}
        if stage:
            return {k.removeprefix(stage.name + "."): v for k, v in terms.items() if k != "kl"}
        own = {k: v for k, v in terms.items() if k not in ("total", "ce", "kl")}
        kd = sum(self.method.term_weights.get(k, 1.0) * v for k, v in own.items())
        return {"kd": kd} | {TERMS.get(k, k): v for k, v in terms.items()}

    def snapshot(self, now: TrainState) -> dict:
        """{"student:key" or "adapter:key": numpy in torch layout}."""
        of = lambda net, variables: to_state_dict(net, variables, counters=False).items()
        out = {f"student:{k}": v for k, v in of(self.student, now.net("student"))}
        own = now.adapters[self.name]
        return out | {f"adapter:{a}.{k}": v for a, f in self.method.adapters.items() for k, v in of(f, own[a])}

    def gradients(self, now: TrainState, objective) -> dict:
        """The last step's gradients of what the stage trains."""
        fixed = partition(trainable(now), objective.trains)[1]
        every = self.snapshot(with_trees(now, combine(now.opt[0], fixed), statistics(now)))
        return {name: every[name] for name in trained_names(now.opt[0])}


def trained_names(trained: dict) -> list[str]:
    """Torch names of a tree of trained parameters."""
    paths = traverse_util.flatten_dict(trained)
    return [f"student:{torch_key(p[1:])}" if p[0] == "student" else f"adapter:{torch_key(p[2:])}" for p in paths]


KNOWN = {  # method -> {hyper-parameter of a file: field of config.method}; others of a file are ignored with a warning
    "crd": {"feat_dim": "feat_dim", "nce_t": "crd.temperature", "nce_m": "crd.momentum", "nce_k": "crd.num_negatives",
            "nce_mode": "crd.mode", "mode": "crd.mode", "enqueue": "crd.enqueue", "n_data": None},
    "rrd": {"feat_dim": "feat_dim", "nce_k": "rrd.num_negatives", "nce_t": "rrd.temperature",
            "nce_m": "rrd.momentum", "n_data": None, "enqueue": None, "temperature_s": "rrd.student_temperature",
            "temperature_t": "rrd.teacher_temperature"},
    "dcd": {"feat_dim": "feat_dim", "alpha": "dcd.alpha", "max_tau": "dcd.max_tau", "init_tau": "dcd.init_tau",
            "init_b": None, "optimised": None},
    "itrd": {"alpha_it": "itrd.alpha", "lambda_corr": "itrd.corr_weight", "lambda_mutual": "itrd.mutual_weight"},
    "cc": {"feat_dim": "feat_dim"},
    "fitnet": {"hint_layer": "fitnet.layer"},
    "at": {"p": "at.p"},
    "rkd": {"distance_weight": "rkd.distance_weight", "angle_weight": "rkd.angle_weight"},
    "vid": {"init_pred_var": "vid.init_variance", "eps": "vid.eps", "regressor": "vid.regressor"},
    "ab": {"margin": "ab.margin"},
    "ft": {"k": "ft.rate", "p1": "ft.p1", "p2": "ft.p2"},
    "ega": {"node_weight": "ega.node_weight", "edge_weight": "ega.edge_weight"},
    "kdsvd": {"k": "kdsvd.k"},
    "dkd": {"alpha": "dkd.alpha", "beta": "dkd.beta", "temperature": "dkd.temperature"},
    "wsld": {"alpha": "wsld.alpha", "temperature": "wsld.temperature"},
    "semckd": {"soft": "semckd.soft"},
    "simkd": {"factor": "simkd.factor"},
}


def kdjax_name(meta: dict) -> str:
    """kdjax's name of a file's method, without its kind of memory."""
    name = method_name(meta)
    return methods.canonical({"crd_fifo": "crd", "crd_queue": "crd", "rrd_momentum": "rrd", "rrd_bank": "rrd"}.get(
        name, name))


def config_of(meta: dict):
    """(kdjax's config, hyper-parameters of the file that nothing here understands)."""
    config, name = kdjax_config.default(), kdjax_name(meta)
    config.method.name, config.data.batch_size = name, meta["batch_size"]
    config.loss.update({key: float(meta[key]) for key in ("gamma", "alpha", "beta")})
    config.optim.update({key: float(meta["optimizer"][key]) for key in ("lr", "momentum", "weight_decay")})
    unknown = [key for key in ("nesterov", "dampening") if meta["optimizer"].get(key)]
    if "pre_stage" in meta:
        config.train.init_lr = float(meta["pre_stage"]["optimizer"]["lr"])
    for key, value in meta["hparams"].items():
        if key == "kd_T":
            config.loss.kd_temperature = float(value)
        elif key not in KNOWN.get(name, {}):
            unknown.append(key)
        elif field := KNOWN[name][key]:
            put(config.method, field, value)
    choose_memory(config, name, meta)
    return config, unknown


def put(block, field: str, value) -> None:
    *folders, leaf = field.split(".")
    for folder in folders:
        block = block[folder]
    old = block[leaf]
    block[leaf] = type(old)(value) if isinstance(old, (int, float)) and isinstance(value, (int, float)) else value


def choose_memory(config, name: str, meta: dict) -> None:
    """Bank or queue, by what the file starts from; without a word on the order the keys join first, as released."""
    if name not in ("crd", "rrd"):
        return
    keys, order = meta.get("state_keys") or {}, meta["hparams"].get("enqueue", "before")
    config.method[name].memory = "queue" if "queue" in keys else "bank"
    if "queue" in keys:
        config.method[name].queue_size = int(keys["queue"][1][0])
    config.method.crd.enqueue = order
    config.method.rrd.variant = "newest" if order == "before" else "seed"


def initial_memory(meta: dict) -> dict:
    """Banks or queue as the file defines them; constants unset."""
    drawn = {name: golden_data.tensor(key, shape, meta["salt_adapter"])
             for name, (key, shape) in (meta.get("state_keys") or {}).items()}
    if "queue" in drawn:
        return drawn | {"ptr": np.zeros((), np.int32)}
    return drawn | {"norm_s": np.array(-1.0), "norm_t": np.array(-1.0)} if drawn else {}


def idle_adapters(meta: dict, player: Player, state_dict: dict) -> dict:
    """Tensors of adapters that the original builds and never uses, and that kdjax does not have: they stay as drawn."""
    idle = {k: v for k, v in state_dict.items() if k.split(".")[0] not in player.method.adapters}
    moving = [k for k in idle if f"adapter:{k}" in meta["trainable"] and f"adapter:{k}" not in meta["grad_none"]]
    if moving:
        raise UserError(f"kdjax's {player.name} has no adapter for {moving[:4]}, which the file trains")
    return {f"adapter:{k}": v for k, v in idle.items()}


def replay(golden: dict) -> tuple[Run, list[str]]:
    """A golden trajectory played by kdjax, and the hyper-parameters that were not understood.

    Raises UserError for methods, networks or tensors that kdjax does not have.
    """
    meta = golden["meta"]
    config, unknown = config_of(meta)
    player = Player(config, meta["student"], meta["teacher"], meta["num_classes"])
    adapters = golden_data.role_state(meta, "adapter")
    idle = idle_adapters(meta, player, adapters)
    used = {k: v for k, v in adapters.items() if f"adapter:{k}" not in idle}
    teacher = golden_data.role_state(meta, "teacher", torch_shapes(player.teacher))
    now = player.start(teacher, golden_data.role_state(meta, "student"), used, initial_memory(meta))
    initial, batches, pre = player.snapshot(now) | idle, golden_data.batches(meta), None
    if ("pre_stage" in meta) != bool(player.method.stages):
        raise UserError(f"kdjax's {player.name} and the file disagree on whether there is a stage before the main one")
    if player.method.stages:
        pre, now, _ = player.run_stage(now, batches[:meta["pre_stage"]["steps"]], player.method.stages[0])
    main, now, (logits_s, logits_t) = player.run_stage(now, batches)
    for each in filter(None, (pre, main)):
        each.states = [s | idle for s in each.states]
    memory = {k: np.asarray(v) for k, v in now.memory[player.name].items()}
    return Run(initial, pre, main, logits_s, logits_t, memory), unknown
