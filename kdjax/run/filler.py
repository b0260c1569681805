"""The outputs of frozen networks by (image, view), computed in chunks of one shape and kept as they come.

A row is the same wherever it stands in a chunk and on any number of devices. On a CPU an epoch's rows may take half an
hour, of which a run that is stopped or killed loses a minute.
"""
from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import PartitionSpec

from kdjax.device.placement import DEVICES, Placement
from kdjax.files.rows import Rows
from kdjax.run.held import Held
from kdjax.step import outputs

EVERY = 60  # seconds of computing after which rows are kept
TOGETHER = 4  # chunks that are dispatched before the first of them is waited for
Pair = tuple[str, str]  # net, view
Tell = Callable[[int, int, float], None]  # rows computed, rows wanted, seconds since the first


def silently(done: int, wanted: int, seconds: float) -> None:
    """A `Tell` for whoever has nobody to tell."""


def chunk() -> int:
    """Images a device computes at once: enough to fill a GPU; on a CPU what its cache likes."""
    return 64 if jax.default_backend() == "cpu" else 1024


class Filler:
    """Computes rows of the networks and views of a task, from the training set that `held` has on the devices."""

    def __init__(self, task, held: Held, place: Placement):
        self.task, self.held, self.place = task, held, place

    def shape(self, pair: Pair) -> jax.ShapeDtypeStruct:
        """[rows of one call on all devices, width] and the type of a pair's rows, from an abstract trace."""
        train = self.held.data.train
        return jax.eval_shape(self._program(*pair), self.held.host[pair[0]], getattr(train, "raw", train.images),
                              *[jax.ShapeDtypeStruct((len(self.place.devices) * chunk(),), jnp.int32)] * 2)

    def fill(self, rows: Rows, pair: Pair, missing: np.ndarray, tell: Tell) -> None:
        """Adds the rows `missing` (sorted numbers: image * views + view). tell: called after every piece; it may raise,
        and what is computed by then is kept."""
        made, kept, done = [], 0, 0
        began = since = time.monotonic()
        try:
            for part in self.computed(pair, missing):
                made.append(part)
                done += len(part)
                tell(done, len(missing), time.monotonic() - began)
                if time.monotonic() - since > EVERY:
                    rows.add(missing[kept:done], np.concatenate(made))
                    made, kept, since = [], done, time.monotonic()
        finally:
            if made:
                rows.add(missing[kept:done], np.concatenate(made))

    def computed(self, pair: Pair, numbers: np.ndarray) -> Iterator[np.ndarray]:
        """The rows of `numbers` in their order, some chunks at a time."""
        index, views = np.divmod(numbers, self.task.views[pair[1]].numbering.count)
        size = chunk() * len(self.place.devices)
        filled = -(-len(numbers) // size) * size
        index, views = (np.resize(part.astype(np.int32), filled).reshape(-1, size) for part in (index, views))
        program, place, data = self._program(*pair), self.place, self.held.split("train")
        variables, raw = self.held.seen[pair[0]], data.get("raw", data["images"])
        for first in range(0, len(index), TOGETHER):
            some = slice(first, first + TOGETHER)
            parts = [program(variables, raw, place.put(i, place.stacked), place.put(v, place.stacked))
                     for i, v in zip(index[some], views[some])]
            yield np.concatenate([np.asarray(part) for part in parts])[:len(numbers) - first * size]

    @functools.cache  # noqa: B019 (a stage's, freed with it)
    def _program(self, net: str, view: str):
        network, how = self.task.nets[net].network, self.task.views[view]

        def rows(variables, images, index, views):
            seen = how.apply(images[index], how.numbering.draws(views))
            return outputs.rows_of(network.apply(variables, seen, train=False)[0])
        whole, split = PartitionSpec(), PartitionSpec(DEVICES)
        return jax.jit(jax.shard_map(rows, mesh=self.place.mesh, in_specs=(whole, whole, split, split),
                                     out_specs=split, check_vma=False))
