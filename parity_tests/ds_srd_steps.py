"""Golden training steps of DS-SRD's three programs (golden/ds_srd/step_*.npz), played by kdjax's own tasks and step.

Weights follow the golden rule, images and every draw are the file's; `replay` returns what kdjax computes, under the
file's names, and `errors` compares the two.
"""
from __future__ import annotations

import types
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
import optax

from kdjax import config as kdjax_config
from kdjax import losses, methods, models
from kdjax.methods.memories import bank, prototypes
from kdjax.step import update as steps
from kdjax.step.context import Batch
from kdjax.step.objective import Objective
from kdjax.step.optimizer import own_rates, partition, sgd
from kdjax.step.schedules import base_lr
from kdjax.step.state import TrainState, trainable
from kdjax.tasks.base import View
from kdjax.tasks.distil import Distil
from kdjax.tasks.double_student import DoubleStudent
from kdjax.tasks.mixed import Mixer
from kdjax.weights.torch.naming import from_state_dict, to_state_dict
from parity_tests import golden_data
from parity_tests.jax_replay import remember

TERMS = {  # program: {kdjax's name of a term: the file's}
    "ds": {"total": "total", "ce": "ce_weak", "ce_encoder": "ce_encoder", "ce_predictor": "ce_predictor", "kd": "kd",
           "crd": "crd", "proto": "proto"},
    "pcl": {"total": "total", "ce": "ce", "kl": "kd", "dkd": "kd", "crd": "crd", "proto": "proto"},
    "da": {"total": "total", "ce": "ce", "kl": "kd", "mix_kd": "mix", "mix_ce": "mix_ce", "crd": "crd",
           "proto": "proto"},
}
ROLES = {"adapter": "crd"}  # a role of the files that is a method's adapters
NOTHING = View(lambda key, n: {}, lambda raw, draws: raw)


class GivenCRD(methods.CRD):
    """CRD on the rows that a file gives, which may repeat."""

    def drawn(self, ctx, memory):
        rows = ctx.draws["contrast"]
        often = jax.vmap(lambda row: jnp.bincount(row, length=len(memory["bank_s"])))(rows[:, 1:])
        return bank.Draw(rows[:, 0], often, jnp.ones((len(rows), 1)))


class Game:
    """One file: its task, its first state, its batches."""

    def __init__(self, golden: Mapping):
        self.z, self.meta = golden, golden["meta"]
        self.program, self.config = self.meta["program"], configured(self.meta)
        names = (self.meta["weak"], self.meta["strong"]) if self.program == "ds" else (
            self.meta["student"], self.meta["teacher"])
        self.size = next(golden[key] for key in ("images", "images_q") if key in golden).shape[-1]
        nets = [models.build(name, num_classes=self.meta["num_classes"], image_size=self.size) for name in names]
        self.task = self.built(*nets)
        self.frozen = {} if self.program == "ds" else {"teacher": self.variables("teacher", nets[1])}

    def built(self, student, teacher):
        """The file's program as a kdjax task."""
        weights = methods.chosen(self.config)
        made = methods.build(self.config, student, teacher)
        if "crd" in made:
            made["crd"] = GivenCRD(student, teacher, self.config)
        views = dict.fromkeys(("x", "x2") if self.program == "ds" else ("x", "strong"), NOTHING)
        if self.program == "ds":
            return DoubleStudent(self.config, student, teacher, made, weights, views)
        mixer = None
        if self.program == "da":
            data = types.SimpleNamespace(name="cifar100", image_size=self.size, mean=self.meta["mean"],
                                         std=self.meta["std"])
            mixer = Mixer(self.config, data)
        return Distil(self.config, student, {"teacher": teacher}, made, weights, views, mixer)

    def variables(self, role: str, net) -> dict:
        """The file's first weights of a role: drawn by the golden rule, or copied from the role that it follows."""
        copied = self.program == "ds" and role == "teacher" and self.meta["config"]["teacher_init"] == "copy"
        shapes = golden_data.role_shapes(self.meta, role)
        drawn = golden_data.state_dict(shapes, f"{self.meta['salt']}{'strong' if copied else role}:")
        return jax.tree.map(jnp.asarray, from_state_dict(net, drawn))

    def start(self) -> TrainState:
        """The state before the first step."""
        nets = {name: self.variables(name, net.network) for name, net in self.task.nets.items() if net.role != "frozen"}
        own = lambda role: {k: v for k, v in nets.items() if self.task.nets[k].role == role}
        state = TrainState(params={k: v["params"] for k, v in own("trained").items()},
                           stats={k: v["batch_stats"] for k, v in own("trained").items()},
                           adapters=self.adapters(), memory=self.memory(), ema=own("ema"))
        trained = partition(trainable(state), self.objective(0.0).trains)[0]
        return state._replace(step=jnp.zeros((), jnp.int32), opt=self.objective(0.0).tx.init(trained))

    def adapters(self) -> dict:
        out = {name: {} for name in self.task.methods}
        for role, name in ROLES.items():
            if name in out:
                drawn = golden_data.state_dict(golden_data.role_shapes(self.meta, role), f"{self.meta['salt']}{role}:")
                for key, net in self.task.methods[name].adapters.items():
                    own = {k.removeprefix(key + "."): v for k, v in drawn.items() if k.startswith(key + ".")}
                    out[name][key] = jax.tree.map(jnp.asarray, from_state_dict(net, own))
        return out

    def memory(self) -> dict:
        """The methods' memories as the file gives them."""
        z, out = self.z, {name: {} for name in self.task.methods}
        if "crd" in out:
            out["crd"] = {"bank_s": z["bank_s_init"], "bank_t": z["bank_t_init"], "norm_s": np.array(-1.0),
                          "norm_t": np.array(-1.0)}
        if "proto" in out:
            names = {"assign": "im2cluster", "centroids": "centroids", "density": "density"}
            out["proto"] = {f"{ours}_{k}": z[f"{theirs}_{k}"] for k in (0, 1) for ours, theirs in names.items()}
            out["proto"]["ready"] = np.array(True)
        return jax.tree.map(jnp.asarray, out)

    def objective(self, rate) -> Objective:
        tx = sgd(self.config, lambda step: rate)
        return Objective(self.task, optax.chain(remember(), own_rates(tx, self.task.rates, base_lr(self.config))))

    def rate(self, s: int) -> float:
        """The learning rate of step s, of the networks without one of their own."""
        if self.program == "ds":
            return float(self.z["lr_weak"][s])
        return self.meta["lr"] if self.program == "pcl" else self.meta["optimizer"]["lr"]

    def batch(self, s: int) -> Batch:
        z, inputs = self.z, {}
        for name, key in (("x", "images_q"), ("x", "images"), ("x2", "images_k"), ("strong", "images_k")):
            if key in z:
                inputs[name] = jnp.asarray((np.moveaxis(z[key][s], 1, -1) / 255 - self.meta["mean"]) / self.meta["std"])
        epoch = self.meta.get("epoch", self.meta.get("schedule", {}).get("epoch", 1))
        return Batch(inputs, jnp.asarray(z["labels"][s]), jnp.asarray(z["index"][s]), jnp.asarray(float(epoch)),
                     self.draws(s))

    def draws(self, s: int) -> dict:
        """The file's draws as kdjax's methods and tasks name them."""
        z, out = self.z, {name: {} for name in self.task.methods}
        if "contrast_idx" in z:
            out["crd"] = {"contrast": jnp.asarray(z["contrast_idx"][s])}
        if "negatives_0" in z:
            out["proto"] = {f"score_{k}": ranked(z[f"negatives_{k}"][s], len(z[f"centroids_{k}"])) for k in (0, 1)}
        given = {key: jnp.asarray(z[key][s]) for key in ("lam", "perm", "center") if key in z}
        if "depth" in self.meta:
            given["depth"] = jnp.full(1, self.meta["depth"])
        return out | {"mixup" if self.program == "ds" else "mix": given}


def relation(golden: Mapping, j: int, detach: bool | None = None):
    """The prototype relation of case j of golden/ds_srd/prototypes.npz; with `detach`, (value, gradients) instead."""
    p, asked = f"loss{j}.", golden["meta"]["loss_cases"][j]["n_negatives_asked"]
    names = {"assign": "im2cluster", "centroids": "centroids", "density": "density"}
    memory = {f"{ours}_{k}": jnp.asarray(golden[f"{p}{theirs}_{k}"]) for k in range(3)
              for ours, theirs in names.items()}
    given = [golden[f"{p}negatives_{k}"] for k in range(3)]  # as many as asked for, the missing ones marked
    chosen = [(jnp.asarray(np.resize(ids, asked)), jnp.arange(asked) < len(ids)) for ids in given]
    columns = prototypes.columns(memory, golden[p + "index"], chosen)
    stop = jax.lax.stop_gradient if detach else lambda x: x
    loss = lambda s, r: losses.prototype_relation(s, stop(r), columns.prototypes, columns.density,
                                                  present=columns.present, temperature=4.0)
    both = jnp.asarray(golden[p + "u_s"]), jnp.asarray(golden[p + "u_ref"])
    return loss(*both) if detach is None else jax.value_and_grad(loss, (0, 1))(*both)


def ranked(ids, k: int):
    """Scores [k] whose highest are `ids`, in that order, and nothing else."""
    return jnp.full(k, -jnp.inf).at[jnp.asarray(ids)].set(-jnp.arange(len(ids), dtype=float))


def configured(meta: Mapping):
    """kdjax's config of a file."""
    config, names, weights = kdjax_config.default(), [], []
    config.optim.update({key: float(meta["optimizer"][key]) for key in ("momentum", "weight_decay")})
    config.loss.update({"kd_temperature": float(meta["temperature"]), "beta": 1.0})
    if meta["crd"]:
        config.method.feat_dim = meta["crd"]["feat_dim"]
        config.method.crd.update({"num_negatives": meta["crd"]["nce_k"], "temperature": meta["crd"]["temperature"],
                                  "momentum": meta["crd"]["momentum"]})
    config.method.proto.update({"num_clusters": (14, 20), "num_negatives": 5, "weight": 1.0})
    asked = {"ds": double_student, "pcl": pcl, "da": augmentation}[meta["program"]](config, meta)
    for name, weight in asked.items():
        if weight:
            names.append(name)
            weights.append(float(weight))
    config.method.names, config.method.weights = tuple(names) or ("vanilla",), tuple(weights) or (1.0,)
    return config


def double_student(config, meta) -> dict:
    own = meta["config"]
    config.loss.update({"gamma": float(own["gamma"]), "alpha": float(own["alpha"])})
    config.optim.lr = float(own["lr_weak"])
    config.ds.update({"optimize_strong": own["optimize_strong"], "teacher_init": own["teacher_init"],
                      "ema_decay": own["ema"], "ema_bn": own["ema_bn"], "strong_ce": own["strong_ce"],
                      "kd_weight": own["kd_weight"], "lr_strong": own["lr_strong"]})
    return {"crd": own["beta"], "proto": own["proto"]}


def pcl(config, meta) -> dict:
    own, dkd = meta["weights"], meta["dkd"]
    config.loss.update({"gamma": float(own["gamma"]), "alpha": 0.0 if dkd else float(own["alpha"])})
    config.optim.lr = float(meta["lr"])
    config.kd.teacher_view = meta["teacher_view"]
    config.method.proto.update({"reference": meta["reference"], "detach_ref": meta["detach_ref"],
                                "ema_decay": meta["ema_decay"], "ema_init": "random", "ema_bn": "own"})
    if dkd:
        config.method.dkd.update({k: float(dkd[k]) for k in ("alpha", "beta", "temperature")})
    return {"dkd": own["alpha"] if dkd else 0, "crd": own["beta"], "proto": own["proto"]}


def augmentation(config, meta) -> dict:
    own = meta["weights"]
    config.loss.update({"gamma": float(own["gamma"]), "alpha": float(own["alpha"])})
    config.optim.lr = float(meta["optimizer"]["lr"])
    config.mix.update({"mode": meta["mode"], "weights": (float(own["w1"]), float(own["w2"]), float(own["w3"]))})
    if meta["pick"]:
        config.mix.update({"criterion": meta["pick"]["criterion"], "runs": meta["pick"]["runs"],
                           "n_pick": meta["pick"]["n_pick"],
                           "pick_bn": {"eval": "eval", "train": "batch"}.get(meta["pick"]["bn"], "batch")})
    return {"crd": own["beta"], "proto": own["proto"]}


def replay(golden: Mapping) -> dict:
    """{key of the file: kdjax's value}: losses, gradients, states after every step, memories, first logits."""
    game = Game(golden)
    state, out, rows, after = game.start(), {}, [], []
    first = snapshot(game, state)
    if "init_norm" in golden:
        out["init_norm"] = summary(game, first)[0]
    fn = jax.jit(lambda state, batch, rate: steps.update(game.objective(rate), state, game.frozen, batch)[:2])
    for s in range(len(golden["labels"])):
        state, terms = fn(state, game.batch(s), game.rate(s))
        if s == 0 and "grad_names" in game.meta:
            out |= gradients(game, first_gradients(golden, game, state))
        rows.append({TERMS[game.program][k]: float(v) for k, v in terms.items()})
        after.append((summary(game, snapshot(game, state)), jax.tree.map(np.asarray, state.memory)))
    for key in rows[0]:
        out[f"loss_{key}"] = [row[key] for row in rows]
    for i, key in enumerate(("after_norm", "after_sum", "after_first8")):
        out[key] = [each[0][i] for each in after]
    for key in ("bank_s", "bank_t"):
        if key + "_init" in golden:
            out[key] = [each[1]["crd"][key] for each in after]
    for key in ("norm_s", "norm_t"):
        if key in golden:
            out[key] = after[-1][1]["crd"][key]
    return out


def first_gradients(golden: Mapping, game: Game, state: TrainState) -> TrainState:
    """The state whose optimizer kept the first gradients, those of a strong student that is never updated too."""
    if game.meta.get("config", {}).get("optimize_strong", True):
        return state
    own = {**golden, "meta": game.meta | {"config": game.meta["config"] | {"optimize_strong": True}}}
    other = Game(own)
    return steps.update(other.objective(0.0), other.start(), other.frozen, other.batch(0))[0]


def snapshot(game: Game, state: TrainState) -> dict:
    """{"role:key": numpy in torch layout} of all of the file's tensors."""
    out = {}
    for name, net in game.task.nets.items():
        held = game.frozen[name] if net.role == "frozen" else state.net(name)
        out |= {f"{name}:{k}": v for k, v in to_state_dict(net.network, held, counters=False).items()}
    for role, method in ROLES.items():
        for adapter, held in state.adapters.get(method, {}).items():
            net = game.task.methods[method].adapters[adapter]
            out |= {f"{role}:{adapter}.{k}": v for k, v in to_state_dict(net, held, counters=False).items()}
    return out


def gradients(game: Game, state: TrainState) -> dict:
    """The gradients that the optimizer's first element kept; NaN where nothing is trained."""
    trained = state.opt[0]
    held = state._replace(params={k: jax.tree.map(lambda x: jnp.full_like(x, jnp.nan), v)
                                  for k, v in state.params.items()})
    params = {k: merged(held.params[k], trained.get(k, {})) for k in held.params}
    adapters = {m: {a: {"params": trained["adapters"][m][a], "batch_stats": v["batch_stats"]}
                    for a, v in own.items()} for m, own in state.adapters.items()}
    every = snapshot(game, held._replace(params=params, adapters=adapters))
    norm, total, first = summary(game, every, game.meta["grad_names"])
    return {"grad0_norm": norm, "grad0_sum": total, "grad0_first8": first}


def merged(base: dict, over: dict) -> dict:
    """`base` with the leaves of `over`."""
    return {k: merged(v, over[k]) if isinstance(v, dict) and k in over else over.get(k, v) for k, v in base.items()}


def summary(game: Game, tensors: Mapping, names=None) -> tuple:
    """(norms, sums, first eight values, NaN padded) in the file's order."""
    flat = [np.asarray(tensors[name], np.float64).ravel() for name in names or game.meta["names"]]
    first = [np.pad(x[:8], (0, max(0, 8 - len(x))), constant_values=np.nan) for x in flat]
    return [np.linalg.norm(x) for x in flat], [x.sum() for x in flat], first


def errors(golden: Mapping, got: Mapping) -> dict[str, float]:
    """{key: worst error, relative to the tensor's norm where there is one}; infinite where only one side is NaN."""
    return {key: float(np.max(relative(key, golden, np.asarray(value, np.float64)))) for key, value in got.items()
            if key in golden}


def relative(key: str, golden: Mapping, got: np.ndarray) -> np.ndarray:
    want = np.asarray(golden[key], np.float64)
    scale = np.maximum(np.abs(want), 1e-3)
    for kind in ("grad0", "after"):
        if key.startswith(kind):
            scale = np.maximum(np.asarray(golden[f"{kind}_norm"]), 1e-3)
            scale = scale[..., None] if key.endswith("first8") else scale
    if key.startswith("bank"):
        scale = 1.0
    off = np.abs(got - want) / np.where(np.isnan(scale), 1.0, scale)
    both = np.isnan(got) & np.isnan(want)
    return np.where(both, 0.0, np.where(np.isnan(off), np.inf, off))
