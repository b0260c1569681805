"""Where arrays live and how the step is mapped: jit over a 1-D mesh (default) or pmap, in one process or several."""
from __future__ import annotations

import math
from collections.abc import Callable

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from kdjax.errors import UserError

DEVICES = "data"  # the axis of the devices: of the mesh, and of pmap

FEWEST = 8  # images that a virtual CPU device is given at least


def devices(config, images: int | None = None) -> list:
    """The devices of the run: the first `config.devices`, or as many as divide the batches.

    images: how many are trained on; with it a last, smaller batch counts as well.
    """
    every = jax.devices()
    if config.devices > len(every):
        raise UserError(f"config.devices={config.devices} but there are {len(every)}; lower it or leave it 0 (all)")
    if jax.process_count() > 1 and config.devices not in (0, len(every)):
        raise UserError(f"config.devices={config.devices} would leave out some of the {len(every)} devices of "
                        f"{jax.process_count()} processes; leave it 0 (all)")
    if config.devices or config.parallel == "pmap":
        return every[:config.devices or len(every)]
    return first_of_each_process(every, dividing(config, images, len(every), jax.process_count()))


def dividing(config, images: int | None, count: int, processes: int = 1) -> int:
    """The largest number of devices, the same in every process, that divides the batch, a last batch and the replicas.

    A CPU's virtual devices get at least FEWEST images each. Where nothing divides: all, for `check` to refuse.
    """
    batch, replicas = config.data.batch_size, config.replicas
    tail = 0 if config.data.drop_last or images is None else images % batch
    whole = math.gcd(batch, tail, *([replicas] if replicas > 1 else []))
    most = count if jax.default_backend() != "cpu" else max(processes, batch // FEWEST)
    fits = [n for n in range(processes, count + 1, processes) if whole % n == 0 and n <= most]
    return max(fits, default=count)


def first_of_each_process(every: list, count: int) -> list:
    """`count` devices, equally many of every process, in their order."""
    share = count // jax.process_count()
    own = {}
    for device in every:
        own.setdefault(device.process_index, []).append(device)
    kept = {device.id for devices in own.values() for device in devices[:share]}
    return [device for device in every if device.id in kept]


class Placement:
    """Puts trees on the devices, compiles steps for them, and brings trees back.

    images: how many are trained on, so that a last, smaller batch can be divided as well.
    mode "jit": state and data replicated, batches split along the mesh; the result does not depend on the device count.
    mode "pmap": one replica a device, stacked on a leading axis; equal to jit with replicas = number of devices.
    """

    def __init__(self, config, images: int | None = None):
        self.devices, self.mode, self.replicas = devices(config, images), config.parallel, config.replicas
        self.mesh = Mesh(np.array(self.devices), (DEVICES,))
        self.replicated = NamedSharding(self.mesh, PartitionSpec())
        self.split = NamedSharding(self.mesh, PartitionSpec(None, DEVICES))
        self.stacked = NamedSharding(self.mesh, PartitionSpec(DEVICES))
        self.check(config)

    def check(self, config) -> None:
        """Refuses batches that do not divide, and modes that do not exist."""
        count, batch, replicas = len(self.devices), config.data.batch_size, config.replicas
        self.divisor = math.lcm(count, replicas)
        if self.mode not in ("jit", "pmap"):
            raise UserError(f"config.parallel={self.mode!r} is not a mode; use 'jit' or 'pmap'")
        if replicas < 1 or batch % replicas:
            raise UserError(f"config.data.batch_size={batch} does not divide into config.replicas={replicas}; "
                            f"change one of them")
        if batch % count:
            raise UserError(f"config.data.batch_size={batch} does not divide over the {count} devices; change it, or "
                            f"set config.devices to a number that divides it")
        if replicas % count and replicas != 1:
            raise UserError(f"config.replicas={replicas} must be 1 or a multiple of the {count} devices; "
                            f"change one of them")
        if self.mode == "pmap" and (jax.process_count() > 1 or replicas not in (1, count)):
            raise UserError(f"config.parallel='pmap' makes one replica of each of the {count} devices of one process; "
                            f"leave config.replicas at 1, and use 'jit' for several processes")

    @property
    def replica_mesh(self):
        """The mesh over which the step divides its replicas by hand, None on one device."""
        return self.mesh if len(self.devices) > 1 else None

    @property
    def replicas_of_pmap(self) -> int:
        """How many replicas the step really computes with under pmap."""
        return len(self.devices) if self.mode == "pmap" else 1

    @property
    def axis(self) -> str | None:
        """The mapped axis inside a step under pmap."""
        return DEVICES if self.mode == "pmap" else None

    def check_memories(self, owners: list[str]) -> None:
        """Refuses replicas for methods with a memory, which compute on the whole batch only. owners: their names."""
        count = max(self.replicas, self.replicas_of_pmap)
        if count > 1 and owners:
            raise UserError(f"{owners[0]} keeps a memory that {count} replicas would update apart from each other; "
                            f"set config.replicas=1 and config.parallel=jit (which uses all devices on one global "
                            f"batch)")

    def put(self, tree, sharding=None):
        """Host arrays -> global arrays, replicated unless told otherwise (every process gives the same values)."""
        sharding = sharding or self.replicated
        place = lambda x: jax.make_array_from_callback(np.shape(x), sharding, lambda i: np.asarray(x)[i])
        return jax.tree.map(place, tree)

    def put_state(self, tree):
        """A state (or the data, or a teacher) in the form that the compiled step takes."""
        if self.mode == "jit":
            return self.put(tree)
        n = len(self.devices)
        return jax.tree.map(lambda x: self.put(np.broadcast_to(np.asarray(x), (n, *np.shape(x))), self.stacked), tree)

    def put_order(self, order: np.ndarray):
        """An epoch's rows [steps, batch, ...], split over the devices along the batch. Refuses a last, smaller batch
        that does not divide."""
        if order.shape[1] % self.divisor:
            raise UserError(f"the last batch of an epoch has {order.shape[1]} images, which do not divide over "
                            f"{len(self.devices)} devices and the replicas; set config.data.drop_last=True, or another "
                            f"config.data.batch_size")
        if self.mode == "jit":
            return self.put(order, self.split)
        n = len(self.devices)
        shares = order.reshape(len(order), n, order.shape[1] // n, *order.shape[2:])
        return self.put(shares.swapaxes(0, 1), self.stacked)

    def put_wish(self, wish: bool):
        """What this process votes (see processes.Vote): a flag a device among several processes, else an unused one."""
        if jax.process_count() == 1:
            return self.put_state(np.zeros((), bool))
        return jax.make_array_from_callback((len(self.devices),), self.stacked, lambda i: np.full(1, wish))

    def eval_batch(self, wanted: int, images: int) -> int:
        """About `wanted` images a batch, no more than there are, a multiple of the devices."""
        count = len(self.devices)
        return -(-min(wanted, images) // count) * count

    def get(self, tree):
        """Device arrays of `put_state`'s form -> numpy."""
        first = (lambda x: x[0]) if self.mode == "pmap" else (lambda x: x)
        return jax.tree.map(lambda x: first(np.asarray(x.addressable_data(0))), tree)

    def host(self, rows) -> np.ndarray:
        """A global array, split over the devices of all processes -> numpy."""
        if jax.process_count() == 1:
            return np.asarray(rows)
        return np.asarray(multihost_utils.process_allgather(rows, tiled=True))

    def one(self, state):
        """A state as evaluation wants it: replicated, without pmap's leading axis."""
        return state if self.mode == "jit" else self.put(self.get(state))

    def compile(self, step: Callable) -> Callable:
        """step(state, frozen, data, order, wishes, given) -> (state, tick), donated. Under pmap `step` sees a replica's
        share."""
        if self.mode == "pmap":
            return jax.pmap(step, axis_name=DEVICES, devices=self.devices, donate_argnums=0)
        return jax.jit(step, donate_argnums=0, out_shardings=self.replicated)

    def own_share(self, draws, rows: int):
        """Inside a mapped step: this replica's `rows` of what was drawn for the whole batch."""
        if self.replicas_of_pmap == 1:
            return draws
        first = jax.lax.axis_index(DEVICES) * rows
        return jax.tree.map(lambda d: jax.lax.dynamic_slice_in_dim(d, first, rows), draws)

    def spread(self, x):
        """Inside a jitted step: keep a batch split over the devices."""
        if self.mode == "pmap" or len(self.devices) == 1:
            return x
        return jax.lax.with_sharding_constraint(x, self.stacked)
