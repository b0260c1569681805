"""The pure train step and eval step: one forward of both networks, named loss terms, one SGD update."""
from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.sharding import PartitionSpec

from kdjax import losses
from kdjax.methods.base import Adapt, Context, Method, Stage
from kdjax.step.state import combine, partition

AXIS = "replica"  # the mapped axis of virtual replicas


@dataclasses.dataclass(frozen=True)
class Task:
    """What is learned from whom: fixed for a stage; the step is traced once per task.

    methods and weights share their keys. stage: None is the main stage. tx: the stage's optimizer. teacher_train: the
    teacher normalises with the batch's statistics, as the VID release does. skip_bad_steps: see `apply_gradients`.
    """

    student: Any
    teachers: tuple
    methods: Mapping[str, Method]
    weights: Mapping[str, float]
    loss: Any
    tx: optax.GradientTransformation
    stage: Stage | None = None
    stage_method: str = ""
    teacher_train: bool = False
    skip_bad_steps: bool = False

    def trains(self, path: tuple) -> bool:
        """Whether the optimizer of this stage owns the parameter at `path`."""
        if self.stage is None:
            return path[0] == "student" or path[2] not in self.methods[path[1]].frozen
        if path[0] == "student":
            return self.stage.student == "trunk" and path[1] in self.student.trunk
        return path[1] == self.stage_method and path[2] in self.stage.adapters

    def adapter_in_train_mode(self, method: str, adapter: str) -> bool:
        """Whether an adapter's batch norms use the batch's statistics in this stage."""
        if self.stage is None:
            return adapter not in self.methods[method].eval_mode
        return method == self.stage_method and adapter in self.stage.adapters


def cross_entropy(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """[B, C], [B] -> [B], in at least float32."""
    logits = logits.astype(jnp.promote_types(logits.dtype, jnp.float32))
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels)


def teach(task: Task, teachers: tuple, images: jax.Array):
    """The teachers' output behind stop_gradient, and the first one's classifier.

    Several teachers: logits whose softened probabilities are the mean of theirs; features are the first one's.
    """
    if not teachers:
        return None, None
    outs = [net.apply(v, images, train=task.teacher_train)[0] for net, v in zip(task.teachers, teachers)]
    out = jax.lax.stop_gradient(outs[0])
    if len(outs) > 1:
        t = task.loss.kd_temperature
        probs = [jax.nn.log_softmax(o.logits / t) for o in outs]
        mean = jax.nn.logsumexp(jnp.stack(probs), axis=0) - jnp.log(len(probs))
        out = out._replace(logits=jax.lax.stop_gradient(t * mean))
    frozen = jax.lax.stop_gradient(teachers[0])
    return out, lambda embedding: task.teachers[0].classify(frozen, embedding)


def contexts(task: Task, params, stats, student, teachers, batch, key, train: bool):
    """One Context per method, all looking at the same two outputs."""
    teacher, head = teach(task, teachers, batch["images"]) if train else (None, teacher_head(task, teachers))
    made = {}
    for i, (name, method) in enumerate(task.methods.items()):
        mode = lambda adapter, name=name: train and task.adapter_in_train_mode(name, adapter)
        adapt = Adapt(method.adapters, params["adapters"][name], stats["adapters"][name], mode)
        made[name] = Context(student, teacher, batch, adapt, head, None if key is None else jax.random.fold_in(key, i))
    return made, teacher


def teacher_head(task: Task, teachers: tuple) -> Callable | None:
    """The first teacher's classifier alone."""
    return (lambda embedding: task.teachers[0].classify(teachers[0], embedding)) if teachers else None


def prefixed(name: str, terms: dict) -> dict:
    """Terms under their method's name: `crd`, `itrd.mutual`."""
    name = name.rpartition(":")[2]
    return {name if term == name else f"{name}.{term}": value for term, value in terms.items()}


def main_terms(task: Task, made: dict, teacher, memory: dict, batch):
    """(terms, weights, memory) of the main stage: gamma * ce + alpha * kl + beta * weighted method terms."""
    some = next(iter(made.values()))
    terms, weights = {"ce": cross_entropy(some.student.logits, batch["labels"]).mean()}, {"ce": task.loss.gamma}
    if teacher is not None and task.loss.alpha:  # a KL that nobody weighs could still poison the sum with a NaN
        terms["kl"] = losses.kl_divergence(some.student.logits, teacher.logits, temperature=task.loss.kd_temperature)
        weights["kl"] = task.loss.alpha
    memory = dict(memory)
    for name, method in task.methods.items():
        own, memory[name] = method.loss(made[name], memory[name])
        terms |= prefixed(name, own)
        scale = task.loss.beta * task.weights[name]
        weights |= prefixed(name, {term: scale * method.term_weights.get(term, 1.0) for term in own})
    return terms, weights, memory


def deployed(task: Task, made: dict, student) -> jax.Array:
    """The logits of what is deployed: the first method's that adds something to the student, else the student's own."""
    for name, method in task.methods.items():
        if type(method).predict is not Method.predict:
            return method.predict(made[name]._replace(adapt=made[name].adapt.afresh()))
    return student.logits


def objective(task: Task, trained, fixed, stats, memory, teachers, batch, key):
    """(total, (terms, new statistics, new memory, logits)): what is differentiated."""
    params = combine(trained, fixed)
    mode = True if task.stage is None else (task.stage.student or False)
    student, student_stats = task.student.apply({"params": params["student"], "batch_stats": stats["student"]},
                                                batch["images"], train=mode)
    made, teacher = contexts(task, params, stats, student, teachers, batch, key, train=True)
    if task.stage is None:
        terms, weights, memory = main_terms(task, made, teacher, memory, batch)
    else:
        terms = prefixed(task.stage.name, task.stage.loss(made[task.stage_method]))
        weights = dict.fromkeys(terms, 1.0)
    total = sum(weights[name] * value for name, value in terms.items())
    logits = student.logits if task.stage else deployed(task, made, student)
    new_stats = {"student": student_stats, "adapters": {name: c.adapt.batch_stats for name, c in made.items()}}
    return total, ({"total": total, **terms}, new_stats, memory, logits)


def gradients(task: Task, state: dict, teachers, batch, key, axis: str | tuple | None = None):
    """(gradients of the trained parameters, terms, statistics, memory, logits) of one batch, or of one replica's share.

    With an axis name: gradients and terms are averaged over it and the statistics are replica 0's, as
    DistributedDataParallel keeps them.
    """
    trained, fixed = partition(state["params"], task.trains)
    grad = jax.grad(lambda p: objective(task, p, fixed, state["batch_stats"], state["memory"], teachers, batch, key),
                    has_aux=True)
    grads, (terms, stats, memory, logits) = grad(trained)
    if axis is not None:
        grads, terms = jax.lax.pmean((grads, terms), axis)
        first = jax.lax.axis_index(axis) == 0
        stats = jax.lax.psum(jax.tree.map(lambda x: jnp.where(first, x, jnp.zeros_like(x)), stats), axis)
    return grads, terms, stats, memory, logits


def replicated_gradients(task: Task, state, teachers, batch, key, replicas: int, mesh=None):
    """`gradients` over `replicas` equal shares of the batch, as that many data-parallel workers compute them.

    mesh: the devices that divide the replicas among themselves, by hand: left to XLA's partitioner, the kernel
    gradients of 1x1 convolutions under vmap come out wrong, by more than their own size (jax 0.10.2).
    """
    if replicas == 1:
        return gradients(task, state, teachers, batch, key)
    axes = AXIS if mesh is None else (*mesh.axis_names, AXIS)

    def local(state, teachers, shares, keys):
        each = jax.vmap(lambda b, k: gradients(task, state, teachers, b, k, axes), axis_name=AXIS)
        *same, logits = each(shares, keys)
        return *jax.tree.map(lambda x: x[0], same), logits.reshape(-1, logits.shape[-1])

    if mesh is not None:
        whole, split = PartitionSpec(), PartitionSpec(mesh.axis_names)
        local = jax.shard_map(local, mesh=mesh, in_specs=(whole, whole, split, split),
                              out_specs=(whole, whole, whole, whole, split), check_vma=False)
    share = lambda x: x.reshape(replicas, -1, *x.shape[1:]) if x.ndim else jnp.broadcast_to(x, (replicas,))
    keys = None if key is None else jax.random.split(key, replicas)
    state = {k: state[k] for k in ("params", "batch_stats", "memory")}
    return local(state, teachers, jax.tree.map(share, batch), keys)


def apply_gradients(task: Task, state: dict, grads, terms, stats, memory) -> tuple[dict, dict]:
    """The next state and the health of this step (finite terms, finite gradients).

    With task.skip_bad_steps a step that is not healthy changes nothing but the step count.
    """
    trained, fixed = partition(state["params"], task.trains)
    updates, opt = task.tx.update(grads, state["opt"], trained)
    params = combine(optax.apply_updates(trained, updates), fixed)
    new = {"params": params, "batch_stats": stats, "memory": memory, "opt": opt}
    finite = {name: jnp.isfinite(value) for name, value in terms.items()}
    finite["gradient"] = jnp.isfinite(optax.global_norm(grads))
    if task.skip_bad_steps:
        good = jnp.all(jnp.stack(list(finite.values())))
        new = jax.tree.map(lambda a, b: jnp.where(good, a, b), new, {k: state[k] for k in new})
    return {**state, **new, "step": state["step"] + 1}, finite


def update(task: Task, state: dict, teachers: tuple, batch: dict, key=None, replicas: int = 1, mesh=None):
    """One training step on one given batch: (new state, terms, logits, finite). Pure; jit it with task closed over."""
    grads, terms, stats, memory, logits = replicated_gradients(task, state, teachers, batch, key, replicas, mesh)
    new, finite = apply_gradients(task, state, grads, terms, stats, memory)
    return new, terms, logits, finite


def predict(task: Task, state: dict, teachers: tuple, images: jax.Array) -> jax.Array:
    """The evaluated logits of the student (with whatever the method deploys beside it)."""
    params, stats = state["params"], state["batch_stats"]
    own = {"params": params["student"], "batch_stats": stats["student"]}
    student, _ = task.student.apply(own, images, train=False)
    made, _ = contexts(task, params, stats, student, teachers, {"images": images}, None, train=False)
    return deployed(task, made, student)
