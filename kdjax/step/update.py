"""One training step on one batch: gradients (whole, or of replicas), the optimizer, what follows. Pure."""
from __future__ import annotations

import jax
import jax.numpy as jnp
import optax
from jax.sharding import PartitionSpec

from kdjax.step import objective as objectives
from kdjax.step.context import Batch
from kdjax.step.objective import Objective, Seen
from kdjax.step.optimizer import combine, partition
from kdjax.step.state import TrainState, trainable, with_trees

AXIS = "replica"  # the mapped axis of virtual replicas


def gradients(objective: Objective, state: TrainState, frozen: dict, batch: Batch, key=None,
              axis: str | tuple | None = None) -> tuple[dict, Seen]:
    """(gradients of the trained parameters, what else the look left) of one batch, or of one replica's share.

    key: draws what the task needs and the batch does not bring; None draws nothing. With an axis name: gradients and
    terms are averaged over it and the statistics are replica 0's, as DistributedDataParallel keeps them.
    """
    if key is not None:
        batch = batch._replace(draws={**objective.task.draw(key, batch), **batch.draws})
    trained, fixed = partition(trainable(state), objective.trains)
    grad = jax.grad(lambda p: objectives.loss(objective, p, fixed, state, frozen, batch), has_aux=True)
    grads, seen = grad(trained)
    if axis is not None:
        grads, terms, weighted = jax.lax.pmean((grads, seen.terms, seen.weighted), axis)
        first = jax.lax.axis_index(axis) == 0
        stats, ema = jax.lax.psum(jax.tree.map(lambda x: jnp.where(first, x, jnp.zeros_like(x)),
                                               (seen.stats, seen.ema)), axis)
        seen = seen._replace(terms=terms, weighted=weighted, stats=stats, ema=ema)
    return grads, seen


def replicated_gradients(objective: Objective, state: TrainState, frozen: dict, batch: Batch, key, replicas: int,
                         mesh=None) -> tuple[dict, Seen]:
    """`gradients` over `replicas` equal shares of the batch, as that many data-parallel workers compute them.

    mesh: the devices that divide the replicas among themselves, by hand: left to XLA's partitioner, the kernel
    gradients of 1x1 convolutions under vmap come out wrong, by more than their own size (jax 0.10.2).
    """
    if replicas == 1:
        return gradients(objective, state, frozen, batch, key)
    axes = AXIS if mesh is None else (*mesh.axis_names, AXIS)

    def local(state, frozen, shares, keys):
        grads, seen = jax.vmap(lambda b, k: gradients(objective, state, frozen, b, k, axes), axis_name=AXIS)(
            shares, keys)
        same = jax.tree.map(lambda x: x[0], (grads, *seen[:-1]))
        return *same, None if seen.logits is None else seen.logits.reshape(-1, seen.logits.shape[-1])

    if mesh is not None:
        whole, split = PartitionSpec(), PartitionSpec(mesh.axis_names)
        local = jax.shard_map(local, mesh=mesh, in_specs=(whole, whole, split, split),
                              out_specs=(*[whole] * (len(Seen._fields)), split), check_vma=False)
    share = lambda x: x.reshape(replicas, -1, *x.shape[1:]) if x.ndim else jnp.broadcast_to(x, (replicas,))
    keys = None if key is None else jax.random.split(key, replicas)
    grads, *seen = local(state._replace(opt=(), metrics={}), frozen, jax.tree.map(share, batch), keys)
    return grads, Seen(*seen)


def apply_gradients(objective: Objective, state: TrainState, grads: dict, seen: Seen,
                    rate=None) -> tuple[TrainState, dict, jax.Array]:
    """The next state, the health of this step (finite terms, finite gradients), and the norm of the gradients.

    rate: the learning rate; None is what the optimizer's own schedule says.
    With objective.skip_bad_steps a step that is not healthy changes nothing but the step count.
    """
    trained, fixed = partition(trainable(state), objective.trains)
    updates, opt = optax.with_extra_args_support(objective.tx).update(grads, state.opt, trained, rate=rate)
    new = with_trees(state, combine(optax.apply_updates(trained, updates), fixed), seen.stats)
    new = objective.task.after_update(new._replace(memory=seen.memory, ema=seen.ema, opt=opt))
    finite = {name: jnp.isfinite(value) for name, value in seen.terms.items()}
    norm = optax.global_norm(grads)
    finite["gradient"] = jnp.isfinite(norm)
    if objective.skip_bad_steps:
        good = jnp.all(jnp.stack(list(finite.values())))
        new = jax.tree.map(lambda a, b: jnp.where(good, a, b), new, state)
    return new._replace(step=state.step + 1), finite, norm


def update(objective: Objective, state: TrainState, frozen: dict, batch: Batch, key=None, replicas: int = 1,
           mesh=None) -> tuple[TrainState, dict, jax.Array | None, dict]:
    """One training step on one given batch: (new state, terms, logits, finite). Pure; jit it with objective closed
    over. frozen: {net: variables}. key: draws what the batch does not bring."""
    grads, seen = replicated_gradients(objective, state, frozen, batch, key, replicas, mesh)
    new, finite, _ = apply_gradients(objective, state, grads, seen)
    return new, seen.terms, seen.logits, finite
