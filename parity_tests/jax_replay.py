"""kdjax's own step on given weights and batches, told in the terms of trajectory.py: torch names, torch layout.

`Player` runs `kdjax.step.update` as shipped; nothing of a step is written again here. `replay` plays a golden file.
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
from kdjax.run import setup
from kdjax.step import state
from kdjax.step import update as step
from kdjax.weights.torch.naming import from_state_dict, to_state_dict, torch_key, torch_shapes
from parity_tests import golden_data
from parity_tests.bridge import nhwc
from parity_tests.trajectory import Run, Stage, method_name

TERMS = {"ce": "cls", "kl": "div", "correlation": "corr"}  # kdjax's -> the files'


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

    def start(self, teacher: dict, student: dict, adapters: dict, memory: dict) -> dict:
        """The first state from torch state dicts and a memory of numpy arrays; adapters: all of the method's by key."""
        own = {"student": self.variables(self.student, student), "adapters": {}}
        for name, adapter in self.method.adapters.items():
            part = {k.removeprefix(name + "."): v for k, v in adapters.items() if k.startswith(name + ".")}
            own["adapters"][name] = self.variables(adapter, part, f"adapter {name!r} of {self.name}")
        self.teacher_variables = (self.variables(self.teacher, teacher),)
        part = lambda what: {"student": own["student"][what],
                             "adapters": {self.name: {a: v[what] for a, v in own["adapters"].items()}}}
        return {"params": part("params"), "batch_stats": part("batch_stats"),
                "memory": {self.name: {k: self.cast(v) for k, v in memory.items()}}}

    def variables(self, net, state_dict: dict, what: str = "") -> dict:
        want, have = torch_shapes(net), {k: v.shape for k, v in state_dict.items() if not k.endswith("tracked")}
        if want != have:
            raise UserError(f"{what or net.name}: the tensors do not fit kdjax's; they differ in "
                            f"{sorted(k for k in want.keys() | have.keys() if want.get(k) != have.get(k))[:4]}")
        return jax.tree.map(self.cast, from_state_dict(net, state_dict))

    def cast(self, x):
        x = jnp.asarray(x)
        return x.astype(self.dtype) if jnp.issubdtype(x.dtype, jnp.floating) else x

    def task(self, lr: float, stage=None) -> step.Task:
        tx = optax.chain(remember(), state.sgd(self.config, lambda count: lr))
        return step.Task(student=self.student, teachers=(self.teacher,), methods={self.name: self.method},
                         weights={self.name: 1.0}, loss=self.config.loss, tx=tx, stage=stage,
                         stage_method=self.name if stage else "")

    def compiled(self, task):
        """(state, teachers, batch) -> (new state, terms with the unweighted KL, student's and teacher's logits)."""
        def one(now, teachers, batch):
            new, terms, logits, _ = step.update(task, now, teachers, batch)
            if type(self.method).predict is not methods.Method.predict:  # `logits` are those of what is deployed
                own = {"params": now["params"]["student"], "batch_stats": now["batch_stats"]["student"]}
                logits = self.student.apply(own, batch["images"], train=True)[0].logits
            logits_t = step.teach(task, teachers, batch["images"])[0].logits
            kl = losses.kl_divergence(logits, logits_t, temperature=task.loss.kd_temperature)
            return new, {"kl": kl} | terms, logits, logits_t

        return jax.jit(one)

    def run_stage(self, now: dict, batches: list, stage=None, every: bool = True):
        """(Stage, final state, logits of the first step); a fresh optimizer. every: keep all states, else the ends'."""
        lr = setup.stage_lr(self.config, stage) if stage else state.base_lr(self.config)
        task = self.task(lr, stage)
        fn, rows, states = self.compiled(task), [], []
        trained = state.partition(now["params"], task.trains)[0]
        now = {**now, "opt": task.tx.init(trained), "step": jnp.zeros((), jnp.int32)}
        for i, batch in enumerate(batches):
            batch = {k: self.cast(nhwc(np.asarray(v))) for k, v in batch.items()}
            now, terms, *logits = fn(now, self.teacher_variables, batch)
            rows.append(self.terms(terms, stage))
            if every or i in (0, len(batches) - 1):
                states.append(self.snapshot(now["params"], now["batch_stats"]))
            if i == 0:
                first, gradients = [np.asarray(x) for x in logits], self.gradients(now, task)
        return Stage({k: [r[k] for r in rows] for k in rows[0]}, gradients, states), self.bare(now), first

    def deployed(self, now: dict, images: np.ndarray) -> np.ndarray:
        """Evaluated logits of NCHW images."""
        fn = jax.jit(lambda now, teachers, x: step.predict(self.task(0.0), now, teachers, x))
        return np.asarray(fn(now, self.teacher_variables, self.cast(nhwc(images))))

    def bare(self, now: dict) -> dict:
        """A state without its optimizer."""
        return {k: now[k] for k in ("params", "batch_stats", "memory")}

    def terms(self, terms: dict, stage) -> dict:
        """Terms under the files' names; `kd` is the method's weighted sum."""
        terms = {name.removeprefix(self.name + "."): float(value) for name, value in terms.items()}
        if stage:
            return {k.removeprefix(stage.name + "."): v for k, v in terms.items() if k != "kl"}
        own = {k: v for k, v in terms.items() if k not in ("total", "ce", "kl")}
        kd = sum(self.method.term_weights.get(k, 1.0) * v for k, v in own.items())
        return {"kd": kd} | {TERMS.get(k, k): v for k, v in terms.items()}

    def snapshot(self, params: dict, stats: dict) -> dict:
        """{"student:key" or "adapter:key": numpy in torch layout}."""
        of = lambda net, p, s: to_state_dict(net, {"params": p, "batch_stats": s}, counters=False).items()
        out = {f"student:{k}": v for k, v in of(self.student, params["student"], stats["student"])}
        own, own_stats = params["adapters"][self.name], stats["adapters"][self.name]
        return out | {f"adapter:{a}.{k}": v for a, f in self.method.adapters.items()
                      for k, v in of(f, own[a], own_stats[a])}

    def gradients(self, now: dict, task) -> dict:
        """The last step's gradients of what the stage trains."""
        fixed = state.partition(now["params"], task.trains)[1]
        every = self.snapshot(state.combine(now["opt"][0], fixed), now["batch_stats"])
        return {name: every[name] for name in trained_names(now["opt"][0])}


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
    initial, batches, pre = player.snapshot(now["params"], now["batch_stats"]) | idle, golden_data.batches(meta), None
    if ("pre_stage" in meta) != bool(player.method.stages):
        raise UserError(f"kdjax's {player.name} and the file disagree on whether there is a stage before the main one")
    if player.method.stages:
        pre, now, _ = player.run_stage(now, batches[:meta["pre_stage"]["steps"]], player.method.stages[0])
    main, now, (logits_s, logits_t) = player.run_stage(now, batches)
    for each in filter(None, (pre, main)):
        each.states = [s | idle for s in each.states]
    memory = {k: np.asarray(v) for k, v in now["memory"][player.name].items()}
    return Run(initial, pre, main, logits_s, logits_t, memory), unknown
