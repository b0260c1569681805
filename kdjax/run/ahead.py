"""The teacher several steps ahead of the student: what they look at, computed in one large batch before them.

A batch of 64 leaves a GPU waiting for launches; the teacher's of eight steps together does not. Who is in which step,
and how it is seen, are pure functions of (seed, purpose, step), and a row does not depend on its neighbours: a run's
numbers differ from those of a teacher inside the step by rounding alone, a resumed run's not at all.
"""
from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import PartitionSpec

from kdjax.device.placement import DEVICES, Placement
from kdjax.errors import UserError
from kdjax.run.foresight import taps
from kdjax.run.held import Held
from kdjax.step import outputs
from kdjax.step.device_step import view_draws
from kdjax.step.outputs import Given

IMAGES = 1024  # of a device, in one batch of the teacher: enough to fill a GPU
SHARE = 8  # a window takes at most this part of a device's memory


class Ahead:
    """The windows of one stage. p: its Plan. state: at its start, for its shapes alone. served: the (net, view) that a
    cache serves already."""

    def __init__(self, config, p, held: Held, place: Placement, state, served: list[tuple[str, str]]):
        self.config, self.plan, self.held, self.place, self.steps, self.start = config, p, held, place, 1, None
        if config.teacher.ahead == 1:
            return
        if jax.process_count() > 1 or place.mode != "jit":
            raise UserError("config.teacher.ahead is for one process and config.parallel=jit; set it to 1")
        pairs = [pair for pair in outputs.candidates(p.objective) if pair not in served]
        self.taps = taps(config, p, held, state, pairs)
        if self.taps:
            self.steps = config.teacher.ahead or self._fitting()
            self.fill = jax.jit(self._window, static_argnums=4)
        if self.steps > 1 and self.steps % config.train.steps_per_call:
            raise UserError(f"config.teacher.ahead={self.steps} must be a multiple of config.train.steps_per_call="
                            f"{config.train.steps_per_call}, the steps of one call; change one of them")

    def given(self, told: Given, order, row: int, epoch: int) -> Given:
        """What the step of an epoch's full batch `row` is told: `told`, and the window that holds it."""
        start = (epoch - 1) * self.plan.steps_per_epoch + row // self.steps * self.steps
        if self.steps == 1:
            return told
        if start != self.start:
            self.start, self.window = start, None  # the old one goes as soon as no step in flight needs it
            data = self.held.train
            self.window = self.fill(self.held.frozen, data.get("raw", data["images"]), order,
                                    (told.seed, np.int32(start)), self.steps)
        return told._replace(window=self.window)

    def _window(self, frozen, images, order, when, steps: int) -> dict:
        """{"net view": {leaf: [steps, B, ...]}} from step when[1] on; past the epoch's end its last batch again."""
        task, (seed, start) = self.plan.objective.task, when
        ahead = jnp.minimum(start % self.plan.steps_per_epoch + jnp.arange(steps), len(order) - 1)
        first = start - start % self.plan.steps_per_epoch
        drawn = jax.lax.map(lambda row: view_draws(task, seed, self.plan.name, first + row, order.shape[1]), ahead)
        whole, split = PartitionSpec(), PartitionSpec(None, DEVICES)
        local = jax.shard_map(self._local, mesh=self.place.mesh, in_specs=(whole, whole, split, split),
                              out_specs=split, check_vma=False)
        return local(frozen, images, order[ahead], drawn)

    def _local(self, frozen, images, index, drawn) -> dict:
        """A device's share of a window."""
        task, shape, made = self.plan.objective.task, index.shape, {}
        flat = lambda tree: jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), tree)
        for net, view in self.taps:
            seen = task.views[view].apply(images[index.ravel()], flat(drawn[view]))
            out = task.nets[net].network.apply(frozen[net], seen, train=False)[0]
            made[outputs.name((net, view))] = {
                leaf: x.reshape(*shape, *x.shape[1:])
                for leaf, x in outputs.leaves_of(out, tuple(self.taps[net, view])).items()}
        return made

    def _fitting(self) -> int:
        """How many steps fill a device without taking much of its memory; 1 on a CPU, whose cores a batch fills."""
        if jax.default_backend() == "cpu":
            return 1
        share = self.config.data.batch_size // len(self.place.devices)
        order = jax.ShapeDtypeStruct((self.plan.steps_per_epoch, self.config.data.batch_size), jnp.int32)
        data = self.held.train
        one = jax.eval_shape(self._window, self.held.frozen, data.get("raw", data["images"]), order,
                             (jnp.int32(0), jnp.int32(0)), 1)
        size = sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(one)) // len(self.place.devices)
        memory = (self.place.devices[0].memory_stats() or {}).get("bytes_limit")
        call = self.config.train.steps_per_call
        return max(1, fitting(share, size, memory) // call * call)


def fitting(images: int, size: int, memory: int | None) -> int:
    """How many steps a window holds: so many that the teacher's batch has IMAGES, less where they would take more than
    a SHARE-th of the memory. images, size: of one step on one device, and its taps in bytes. memory: bytes, if known.
    """
    room = memory // SHARE // max(1, size) if memory else 1
    return max(1, min(IMAGES // max(1, images), room))
