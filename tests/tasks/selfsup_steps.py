"""The golden training steps of the self-supervised originals, run through kdjax's own task, step and optimizer."""
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from kdjax.methods import adapters
from kdjax.models import heads
from kdjax.models.layers import Linear, keep, relu
from kdjax.models.network import Features, Functional, Network, Output
from kdjax.step import update
from kdjax.step.context import Batch
from kdjax.step.nets import Net, trained
from kdjax.step.objective import Objective
from kdjax.step.optimizer import partition
from kdjax.step.state import TrainState, trainable
from kdjax.tasks import pretext
from kdjax.tasks.passes import HAS_QUEUE, Options
from kdjax.weights.torch.naming import from_state_dict, to_state_dict

FILES = ("byol_none", "byol_imixup", "byol_icutmix", "byol_imixup_sym", "byol_manifold", "npair_none", "npair_imixup",
         "npair_manifold", "moco_none", "mocon_imixup", "mocon_icutmix_sym", "mocon_inputmix2", "dssrd_byol_imixup",
         "dssrd_byol_shuffled", "dssrd_mocon_imixup")
LAYERS = {"lin": {"linear1": ""}, "linbn": {"linear1": "0.", "bn1": "1.bn."}, "mlp": {"linear1": "0.", "linear2": "2."},
          "mlpbn1": {"linear1": "0.", "bn1": "1.bn.", "linear2": "3."},
          "mlpbn": {"linear1": "0.", "bn1": "1.bn.", "linear2": "3.", "bn2": "4.bn."}}
NAMES = {"online": "online", "target": "target", "weak": "student", "predictor": "predictor", "embed_s": "crd.embed_s",
         "embed_t": "crd.embed_t"}


class Trunk(nnx.Module):
    """The files' trunk: two linear layers with ReLU on the flattened image, then a head."""
    channels, trunk = 2, ()

    def __init__(self, widths, kind, num_classes, *, rngs):
        self.l1, self.l2 = Linear(*widths[:2], rngs=rngs), Linear(*widths[1:], rngs=rngs)
        self.fc = heads.head(kind, widths[2], widths[2], num_classes, rngs=rngs)

    def __call__(self, x, between=keep):
        x = between(0, relu(self.l1(x.transpose(0, 3, 1, 2).reshape(len(x), -1))))
        x = between(1, relu(self.l2(x)))
        return Output(self.fc(x), Features((), (), x, x))


class Case:
    """A golden file as a task and its state. changed: changes to `Options`."""

    def __init__(self, data, meta, dtype=jnp.float64, **changed):
        self.data, self.meta, self.dtype, self.dssrd = data, meta, dtype, "crd" in meta
        self.kinds = {"online": meta["proj"], "target": meta["proj"], "weak": "mlpbn1", "predictor": meta["pred"]}
        self.options = self._options()._replace(**changed)
        self.nets, self.parts = self._nets(), self._adapters()
        passes, crd = 1 + meta["sym"], self.options.weak == "crd"
        pieces = pretext.Pieces(self.options, pretext.Draws(passes), pretext.Memory(), self.parts, train_embed=False)
        self.task = pretext.Pretext(self.nets, pieces, {}, lambda step: meta["emam"], compat=True)
        sgd = meta["sgd"]
        tx = optax.chain(optax.add_decayed_weights(sgd["weight_decay"]), optax.trace(sgd["momentum"]),
                         optax.scale_by_learning_rate(sgd["lr"]))
        self.objective, self.crd = Objective(self.task, tx), crd

    def _options(self):
        m, weak = self.meta, "none"
        if self.dssrd:
            weak = "crd" if m["method"] == "byol" else "infonce"
        return Options(m["method"], m["imix"], tuple(int(c) for c in m["mix_layers"]), m["temp"], m["pred"] != "none",
                       weak, True, m["crd"]["beta"] if self.dssrd else 1.0,
                       aligned=not (self.dssrd and m["shuffle_bn"]))

    def _nets(self):
        m = self.meta
        make = lambda widths, kind: heads.grouped(
            Network("trunk", lambda rngs: Trunk(widths, kind, m["dim"], rngs=rngs), m["dim"], 6), m.get("groups", 1))
        nets = {"online": trained(make(m["trunk_widths"], m["proj"]))}
        if m["method"] != "npair":
            nets["target"] = Net(nets["online"].network, "ema", follows="online", followed="own")
        if self.dssrd:
            nets["weak"] = trained(make(m["student_widths"], "mlpbn1"))
        return nets

    def _adapters(self):
        m, found = self.meta, {}
        if self.options.predictor:
            width = m["trunk_widths"][2]
            found["predictor"] = heads.grouped(Functional(
                lambda rngs: heads.head(m["pred"], m["dim"], width, m["dim"], rngs=rngs)), m.get("groups", 1))
        if self.dssrd:
            found |= {"embed_s": adapters.unit_linear(m["student_widths"][2], m["crd"]["feat_dim"]),
                      "embed_t": adapters.unit_linear(m["trunk_widths"][2], m["crd"]["feat_dim"])}
        return found

    def variables(self, name, prefix):
        """A network's or an adapter's variables from the arrays under `prefix`."""
        start, found = f"{prefix}.{NAMES[name]}.", {}
        for key in (k.removeprefix(start) for k in self.data if k.startswith(start)):
            inside = key.removeprefix("proj.") if name in self.nets else key
            layer, leaf = inside.rsplit(".", 1) if "." in inside else ("", inside)
            renamed = LAYERS.get(self.kinds.get(name), {}).get(layer)
            plain = renamed is None or (name in self.nets and not key.startswith("proj."))
            found[key if plain else ("fc." if name in self.nets else "") + renamed + leaf] = self.data[start + key]
        net = self.nets[name].network if name in self.nets else self.parts[name]
        return jax.tree.map(lambda x: jnp.asarray(x, self.dtype), from_state_dict(net, found))

    def memory(self, prefix):
        d, found = self.data, {"step": jnp.zeros((), jnp.int32)}
        if self.meta["method"] in HAS_QUEUE:
            found |= {"queue": jnp.asarray(d[f"{prefix}.queue"].T, self.dtype),
                      "ptr": jnp.asarray(d[f"{prefix}.queue_ptr"], jnp.int32).reshape(())}
        if self.crd:
            found |= {"bank_s": jnp.asarray(d[f"{prefix}.crd.memory_student"], self.dtype),
                      "bank_t": jnp.asarray(d[f"{prefix}.crd.memory_teacher"], self.dtype),
                      "norm_s": jnp.asarray(-1.0, self.dtype), "norm_t": jnp.asarray(-1.0, self.dtype)}
        return found

    def start(self) -> TrainState:
        all_of = {name: self.variables(name, "in.init") for name in (*self.nets, *self.parts)}
        own = [name for name in self.nets if name != "target"]
        state = TrainState(jnp.zeros((), jnp.int32), {n: all_of[n]["params"] for n in own},
                           {n: all_of[n]["batch_stats"] for n in own}, {"ssl": {n: all_of[n] for n in self.parts}},
                           {"ssl": self.memory("in.init")}, {"target": all_of["target"]} if "target" in all_of else {})
        return state._replace(opt=self.objective.tx.init(partition(trainable(state), self.objective.trains)[0]))

    def batch(self, step: int) -> Batch:
        given = lambda key: self.data.get(f"in.step{step}.{key}")
        view = lambda name: jnp.asarray(np.moveaxis(given(name), 1, -1), self.dtype)
        draws = {str(p): self.draws(step, p) for p in range(1 + self.meta["sym"])}
        if self.meta["num_aux"]:
            draws["inputmix"] = {"partners": jnp.asarray(given("aux_perms")),
                                 "weights": jnp.asarray(given("aux_dirichlet"), self.dtype)}
        index = jnp.asarray(given("index")) if self.dssrd else jnp.arange(self.meta["batch"])
        return Batch({"x": view("im_1"), "x2": view("im_2")}, index=index, draws={"ssl": draws})

    def draws(self, step: int, p: int) -> dict:
        m, given = self.meta, lambda key: self.data[f"in.step{step}.{key}.{p}"]
        found = {}
        if m["imix"] != "none":
            found = {"lam_raw": jnp.asarray(given("lam_raw"), self.dtype), "partner": jnp.asarray(given("perm"))}
        if m["imix"] == "icutmix":
            found["place"] = (jnp.asarray(given("cut_center"), self.dtype) + 0.5) / jnp.asarray(m["input_shape"][1:])
        if len(m["mix_layers"]) > 1:
            found["pick"] = jnp.asarray(given("mix_layer_pick"))
        if m["shuffle_bn"]:
            found["shuffle"] = jnp.asarray(given("shuffle"))
        if self.crd:
            found["contrast"] = jnp.asarray(self.data[f"in.step{step}.contrast_idx"])
        return found

    @functools.cached_property
    def step(self):
        """(state, batch) -> (gradients, terms, new state), compiled once."""
        def step(state, batch):
            grads, seen = update.gradients(self.objective, state, {}, batch)
            return grads, seen.terms, update.apply_gradients(self.objective, state, grads, seen)[0]
        return jax.jit(step)

    def differences(self, kind: str):
        """Yields (what, got, want) over all steps of the file."""
        d, m, state = self.data, self.meta, self.start()
        for s in range(m["steps"]):
            grads, terms, state = self.step(state, self.batch(s))
            if s == 0:
                yield from self._compared_gradients(grads, f"{kind}.step0.grad")
            yield f"loss {s}", terms["total"], d[f"{kind}.step{s}.loss"]
            if f"{kind}.after{s}.online.l1.weight" in d:
                yield from self._compared(state, f"{kind}.after{s}")

    def _compared(self, state, prefix):
        for name in self.nets:
            want, got = self.variables(name, prefix), state.net(name)
            yield from self._leaves(name, got, want)
        if self.options.predictor:
            own = state.adapters["ssl"]["predictor"]
            yield from self._leaves("predictor", own, self.variables("predictor", prefix))
        memory = state.memory["ssl"]
        if "queue" in memory:
            yield "queue", memory["queue"].T, self.data[f"{prefix}.queue"]
            yield "ptr", memory["ptr"], self.data[f"{prefix}.queue_ptr"].reshape(())
        if self.crd:
            yield "bank_s", memory["bank_s"], self.data[f"{prefix}.crd.memory_student"]
            yield "bank_t", memory["bank_t"], self.data[f"{prefix}.crd.memory_teacher"]
            consts = self.data[f"{prefix}.crd.consts"]
            yield "norms", jnp.stack([memory["norm_s"], memory["norm_t"]]), consts[2:4]

    def _compared_gradients(self, grads, prefix):
        nets = {**{n: grads[n] for n in grads if n != "adapters"}, **grads.get("adapters", {}).get("ssl", {})}
        for name, tree in nets.items():
            net = self.nets[name].network if name in self.nets else self.parts[name]
            leaves = {key for key in self.data if key.startswith(f"{prefix}.{NAMES[name]}.")}
            yield f"gradients of {name}", len(jax.tree.leaves(tree)), len(leaves)
            zero = jax.tree.map(lambda a: jnp.zeros(a.shape), net.abstract)
            whole = {"params": _over(zero["params"], tree), "batch_stats": zero["batch_stats"]}
            got = np.sort(np.concatenate([np.ravel(v) for v in to_state_dict(net, whole, False).values()]))
            want = np.sort(np.concatenate([np.zeros(got.size - sum(self.data[k].size for k in leaves)),
                                           *(np.ravel(self.data[k]) for k in leaves)]))
            yield f"gradient of {name}", got, want

    def _leaves(self, name, got, want):
        for path, value in jax.tree_util.tree_leaves_with_path(want):
            leaf = got
            for part in path:
                leaf = leaf[part.key]
            yield f"{name}{jax.tree_util.keystr(path)}", leaf, value


def _over(base: dict, tree: dict) -> dict:
    return {k: _over(v, tree.get(k, {})) if isinstance(v, dict) else tree.get(k, v) for k, v in base.items()}
