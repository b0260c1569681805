"""Trains tiny networks on 1 to 8 forced host devices, in float64, and prints one JSON object of figures for
test_placement.py. A program of its own because the number of devices is fixed when JAX starts."""
import json
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import torch
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from kdjax import models
from kdjax.config import default
from kdjax.data.types import Dataset, Split
from kdjax.device.placement import Placement
from kdjax.errors import UserError
from kdjax.models import convolution, normalization
from kdjax.run.held import Held
from kdjax.run.plan import first_state, plan, stage_state
from kdjax.run.stage import Orders, Stage
from kdjax.tasks import distil
from kdjax.weights.torch.checkpoint import from_state_dict, to_state_dict
from parity_tests.reference import methods as torch_methods
from parity_tests.reference import networks as torch_networks
from parity_tests.reference import step as torch_step
from parity_tests.reference.sgd import SGD

torch.set_num_threads(1)
SIZE, CLASSES, IMAGES, BATCH, STEPS = 8, 10, 64, 16, 4
COUPLED = ("sp", "rkd", "pkt", "nst", "cc", "itrd", "crd")
MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)


def config(names, **fields):
    c = default()
    c.student.name, c.method.names = "wrn_10_1", names
    c.method.crd.num_negatives = 32
    c.loss.alpha = 0.9
    c.optim.lr = 0.02
    c.train.update({"epochs": 2, "dtype": "float64"})
    c.data.update({"batch_size": BATCH, "crop": 0, "flip": False})
    for field, value in fields.items():
        c[field] = value
    return c


def images():
    r = np.random.default_rng(0)
    pixels, labels = r.integers(0, 256, (IMAGES, SIZE, SIZE, 3), np.uint8), r.integers(0, CLASSES, IMAGES)
    split = Split(pixels, labels.astype(np.int32))
    return Dataset("random", split, split, None, CLASSES, SIZE, MEAN, STD)


COMPILED = []
jax.monitoring.register_event_duration_secs_listener(
    lambda event, *_, **__: COMPILED.append(event) if "backend_compile" in event else None)
DATA = images()
NETS = {name: models.build(name, num_classes=CLASSES, image_size=SIZE) for name in ("wrn_10_1", "resnet8")}
TEACHER = NETS["resnet8"].init(jax.random.key(7))


def prepared(c):
    """(task, place) as run.prepare makes them."""
    task, place = distil.build(c, DATA, {"teacher": NETS["resnet8"]}), Placement(c)
    place.check_memories([name for name, method in task.methods.items() if method.has_memory])
    return task, place


def trajectory(c, number=-1):
    """STEPS steps as loop.StageLoop makes them: losses, the last state, and how the second step was served."""
    (task, place), frozen = prepared(c), {"teacher": TEACHER}
    p = plan(c, task, IMAGES)[number]
    stage = Stage(c, p, Held(DATA, frozen, place), place, stage_state(c, task, p, DATA, frozen, None))
    wish, losses, served, recompiled = place.put_wish(False), [], {}, 0
    for i in range(STEPS):
        if i % p.steps_per_epoch == 0:
            stage.begin_epoch(i // p.steps_per_epoch + 1, fresh=False)
        before, compiled = layout(stage.state), len(COMPILED)
        with jax.transfer_guard("disallow" if i else "allow"), warnings.catch_warnings(record=True) as said:
            tick = stage.dispatch(wish)
        if i == 1:
            after = layout(stage.state)
            served = {"same_layout": before["shardings"] == after["shardings"],
                      "reused": len(before["buffers"] & after["buffers"]) / len(after["buffers"]),
                      "warnings": [str(w.message) for w in said]}
        recompiled += bool(i) * (len(COMPILED) - compiled)
        losses.append({k: float(v) for k, v in place.get(stage.state.metrics)["last"].items()})
    state = place.get(stage.state._replace(step=None, opt=(), metrics={}))
    return {"losses": losses, "state": state, **served, "tick": bool(place.get(tick)), "recompiled": recompiled}


def layout(state):
    """Where the leaves of a state lie: shardings, and the addresses of all their buffers that hold anything."""
    leaves = jax.tree.leaves(state._replace(metrics={}))
    shards = [s.data for x in leaves for s in x.addressable_shards if s.data.size]
    return {"shardings": [str(x.sharding) for x in leaves], "buffers": {s.unsafe_buffer_pointer() for s in shards}}


def worst(a, b):
    """The largest difference, relative to the largest entry of each array (at least 1)."""
    pairs = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    return max(float(np.max(np.abs(x - y)) / max(1.0, np.max(np.abs(y)))) for x, y in
               ((np.asarray(x, np.float64), np.asarray(y, np.float64)) for x, y in pairs) if x.size)


def differ(a, b):
    return {"losses": worst(a["losses"], b["losses"]), "state": worst(a["state"], b["state"])}


def served(t):
    return {k: t[k] for k in ("recompiled", "same_layout", "reused", "warnings", "tick")}


class SpFitNet(torch_methods.Method):
    """A loss that couples the images of a batch, and one with a batch norm of its own."""

    def setup(self, student, teacher):
        self.parts = [torch_methods.build(name, student, teacher) for name in ("sp", "fitnet")]
        self.adapters = self.parts[1].adapters

    def loss(self, ctx, memory):
        return self.parts[0].loss(ctx, memory)[0] | self.parts[1].loss(ctx, memory)[0], memory


def torch_replicas(c, replicas):
    """The same steps in torch: batch norm and losses by replica, gradients averaged, the first replica's statistics."""
    task, place = prepared(c)
    first = jax.tree.map(np.asarray, first_state(c, task, DATA.train.labels))
    nets = {name: torch_networks.build(name, num_classes=CLASSES).double() for name in NETS}
    student, teacher = nets["wrn_10_1"], nets["resnet8"]
    method = SpFitNet(*(torch_methods.Shapes.of(n, nets[n], SIZE) for n in NETS))
    adapter = task.methods["fitnet"].adapters["regress_s"]
    fill = lambda module, net, v: module.load_state_dict({k: torch.tensor(x) for k, x in to_state_dict(net, v).items()})
    fill(student, NETS["wrn_10_1"], first.net("student"))
    fill(teacher, NETS["resnet8"], TEACHER)
    fill(method.adapters["regress_s"], adapter, first.adapters["fitnet"]["regress_s"])
    for x in (*student.parameters(), *method.parameters()):
        x.requires_grad_()
    optimizer, losses = SGD(torch_step.named(student, method), lr=0.02), []
    weights = torch_step.Weights(1.0, 0.9, 1.0, 4.0)
    orders = np.concatenate([np.asarray(Orders(c, IMAGES, e, place, "main").held[0]) for e in (1, 2)])
    for row in orders[:STEPS]:
        losses.append(torch_update(student, teacher, method, optimizer, weights, np.split(row, replicas)))
    state = {"student": student, "adapter": method.adapters["regress_s"]}
    nets = {"student": NETS["wrn_10_1"], "adapter": adapter}
    return losses, {k: from_state_dict(nets[k], m.state_dict()) for k, m in state.items()}


def torch_update(student, teacher, method, optimizer, weights, shares):
    """One data-parallel update; the mean of the replicas' terms."""
    torch_step.set_modes(student, teacher, method)
    modules = torch.nn.ModuleList([student, method])
    before = {k: v.clone() for k, v in modules.named_buffers()}
    kept, grads, terms = None, [], []
    for index in shares:
        for k, v in modules.named_buffers():
            v.copy_(before[k])
        x = (DATA.train.images[index] / 255 - np.array(MEAN)) / np.array(STD)
        labels = torch.tensor(DATA.train.labels[index]).long()
        batch = {"images": torch.tensor(x.transpose(0, 3, 1, 2)), "labels": labels}
        own, _ = torch_step.main_loss(method, torch_step.context(student, teacher, method, batch), {}, weights)
        grads.append(torch.autograd.grad(own["total"], list(optimizer.parameters.values()), allow_unused=True))
        terms.append({k: v.item() for k, v in own.items()})
        kept = kept or {k: v.clone() for k, v in modules.named_buffers()}
    for k, v in modules.named_buffers():
        v.copy_(kept[k])
    mean = [None if g[0] is None else sum(g) / len(shares) for g in zip(*grads, strict=True)]
    optimizer.step(dict(zip(optimizer.parameters, mean, strict=True)))
    return {k: float(np.mean([t[k] for t in terms])) for k in terms[0]}


def against_torch(ours, losses, state):
    names = {"total": "total", "ce": "cls", "kl": "div", "sp": "sp", "fitnet": "fitnet"}
    own = {"student": ours["state"].net("student"), "adapter": ours["state"].adapters["fitnet"]["regress_s"]}
    return {"losses": worst([{n: step[n] for n in names} for step in ours["losses"]],
                            [{n: step[m] for n, m in names.items()} for step in losses]),
            "state": worst(own, state)}


def chosen_devices():
    """How many of the 8 devices a run takes by itself."""
    def count(images, **fields):
        c = config(("kd",), **{k: v for k, v in fields.items() if k in ("replicas", "devices")})
        c.data.update({k: v for k, v in fields.items() if k in ("batch_size", "drop_last")})
        return len(Placement(c, images).devices)
    return {"batch 64": count(640, batch_size=64), "batch 30": count(640, batch_size=30),
            "batch 7": count(640, batch_size=7), "a tail of 4": count(644, batch_size=64, drop_last=False),
            "a tail dropped": count(644, batch_size=64), "replicas": count(640, batch_size=64, replicas=2),
            "asked": count(640, batch_size=64, devices=2)}


def refusals():
    """The sentences for what cannot work."""
    cases = {
        "batch over devices": lambda: prepared(config(("kd",), devices=3)),
        "batch over replicas": lambda: prepared(config(("kd",), devices=1, replicas=5)),
        "replicas over devices": lambda: prepared(config(("kd",), devices=8, replicas=4)),
        "more devices than there are": lambda: prepared(config(("kd",), devices=9)),
        "unknown mode": lambda: prepared(config(("kd",), parallel="magic")),
        "replicas with pmap": lambda: prepared(config(("kd",), devices=4, parallel="pmap", replicas=8)),
        "memory with replicas": lambda: prepared(config(("crd",), devices=4, replicas=4)),
        "memory with pmap": lambda: prepared(config(("crd",), devices=4, parallel="pmap")),
        "last batch": lambda: Placement(config(("kd",), devices=8)).put_order(np.zeros((1, 6), np.int32)),
    }
    return {name: refusal(case) for name, case in cases.items()}


def refusal(case):
    try:
        case()
    except UserError as error:
        return str(error)
    return ""


def cached():
    """The teacher's cache on 4 devices against the teacher inside the step on one; and whether it served."""
    c = {n: config(("pkt",), devices=n) for n in (1, 4)}
    c[4].teacher.cache = "memory"
    return differ(trajectory(c[4]), trajectory(c[1]))


FORMS = {"dense": (4, 6, 3, 2, 1), "1x1": (4, 6, 1, 2, 1), "in groups": (6, 9, 1, 1, 3), "depthwise": (6, 6, 3, 2, 6)}


def forms():
    """Every form of a convolution, and batch norm, over 8 devices and on one: values and gradients."""
    mesh = Mesh(np.array(jax.devices()), ("data",))
    return max(worst(*(form_gradients(*FORMS[form], r=np.random.default_rng(1), sharding=s) for s in (
        NamedSharding(mesh, PartitionSpec("data")), jax.devices()[0]))) for form in FORMS)


def form_gradients(inputs, outputs, size, stride, groups, r, sharding):
    """Loss and gradients of one convolution and its batch norm, the batch placed by `sharding`."""
    x = jax.device_put(r.normal(size=(16, 8, 8, inputs)), sharding)
    kernel, scale = r.normal(size=(size, size, inputs // groups, outputs)), r.normal(size=outputs)

    def loss(x, kernel, scale):
        y = convolution.convolve(x, kernel, stride, size // 2, groups)
        return (normalization.normalize(y, scale, scale, 1e-5)[0] ** 3).mean()
    return jax.jit(jax.value_and_grad(loss, (0, 1, 2)))(x, jnp.asarray(kernel), jnp.asarray(scale))


def aliasing():
    """How much a donated step changes the host array that its state was made from."""
    place, host = Placement(config(("kd",), devices=1)), np.zeros(1 << 16)
    kept = np.frombuffer(host, host.dtype)
    step = jax.jit(lambda x: x + 1, donate_argnums=0, out_shardings=place.replicated)
    jax.block_until_ready(step(step(place.put(host))))
    return float(np.abs(kept).max())


def main():
    jitted = {n: trajectory(config(COUPLED, devices=n)) for n in (1, 2, 4, 8)}
    small = {name: config(("sp", "fitnet"), **fields) for name, fields in {
        "one": {"devices": 1, "replicas": 4}, "two": {"devices": 2, "replicas": 4},
        "four": {"devices": 4, "replicas": 4}, "pmap": {"devices": 4, "parallel": "pmap"},
        "whole": {"devices": 1}}.items()}
    split = {name: trajectory(c) for name, c in small.items()}
    half = config(("sp", "fitnet"), devices=1)
    half.train.dtype = "bfloat16"
    tails = [config(("kd",), devices=2, **fields) for fields in ({"parallel": "pmap"}, {"replicas": 2})]
    for c in tails:
        c.data.update({"batch_size": 24, "drop_last": False})
    stage = {n: trajectory(config(("ab",), devices=n), number=0) for n in (1, 4)}
    print(json.dumps({
        "jit": {str(n): differ(jitted[n], jitted[1]) for n in (2, 4, 8)},
        "pre_stage": differ(stage[4], stage[1]),
        "replicas_on_2_devices": differ(split["two"], split["one"]),
        "replicas_on_4_devices": differ(split["four"], split["one"]),
        "pmap_as_replicas": differ(split["pmap"], split["four"]),
        "pmap_with_a_last_batch": differ(*map(trajectory, tails)),
        "replicas_as_torch": against_torch(split["one"], *torch_replicas(small["one"], 4)),
        "whole_as_torch": against_torch(split["whole"], *torch_replicas(small["whole"], 1)),
        "replicas_against_whole": differ(split["one"], split["whole"]),
        "served": {"jit 1": served(jitted[1]), "jit 8": served(jitted[8]), "replicas 4": served(split["four"]),
                   "pmap 4": served(split["pmap"]), "pre-stage 4": served(stage[4])},
        "learned": worst(jitted[1]["losses"][-1], jitted[1]["losses"][0]),
        "terms": sorted(jitted[1]["losses"][0]),
        "bfloat16": worst(trajectory(half)["losses"], split["whole"]["losses"]),
        "aliasing": aliasing(),
        "cached": cached(),
        "forms": forms(),
        "chosen": chosen_devices(),
        "refusals": refusals(),
    }))


if __name__ == "__main__":
    main()
