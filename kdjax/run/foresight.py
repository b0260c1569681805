"""The teacher ahead of the student: what an epoch's steps will ask of frozen networks, looked up or computed before it.

Who is in which step, and how it is seen, are pure functions of (seed, purpose, step), so an epoch's misses are known
before it starts. A run's numbers do not depend on what was cached before, bit for bit: see filler.py.
"""
from __future__ import annotations

import functools
import hashlib
import platform

import jax
import jax.numpy as jnp
import numpy as np

from kdjax.data import cache
from kdjax.device.compiled import machine
from kdjax.device.placement import Placement
from kdjax.errors import UserError
from kdjax.files.checksums import describe
from kdjax.files.rows import Rows
from kdjax.run.filler import Filler, Tell, chunk, silently
from kdjax.run.held import Held
from kdjax.step import outputs
from kdjax.step.context import Batch
from kdjax.step.device_step import view_draws
from kdjax.step.outputs import Given

FORMAT = 1  # raise when the meaning of a row changes
FOLDER = "teachers"  # in the cache folder
KEPT = {"logits", "embedding"}


class Foresight:
    """The outputs that one stage is given. p: its Plan. state: at its start, for its shapes alone."""

    def __init__(self, config, p, held: Held, place: Placement, state):
        self.config, self.plan, self.held, self.place = config, p, held, place
        if config.teacher.cache != "off" and jax.process_count() > 1:
            raise UserError("config.teacher.cache is for one process; set it off")
        asked = {} if config.teacher.cache == "off" else taps(config, p, held, state, outputs.numbered(p.objective))
        self.pairs = [pair for pair, seen in asked.items() if set(seen.values()) <= KEPT]
        self.left_out = {pair: sorted(set(seen.values()) - KEPT) for pair, seen in asked.items()
                         if not set(seen.values()) <= KEPT}
        self.filler = Filler(p.objective.task, held, place)
        self.rows = {pair: self._rows(*pair) for pair in self.pairs}
        self.found = self.computed = 0

    def given(self, orders: list[np.ndarray], epoch: int, begun: int = 0, tell: Tell = silently) -> list[Given]:
        """What the steps of an epoch are told, for each of its index matrices on the host. begun: steps of the epoch
        that are over; their rows are zero. tell: of `Filler.fill`."""
        number = lambda x: self.place.put_state(np.asarray(x, jax.dtypes.canonicalize_dtype(float)))
        seed, weights = self.place.put_state(np.int32(self.config.seed)), jax.tree.map(number, self.plan.weights)
        first, made = (epoch - 1) * self.plan.steps_per_epoch, []
        for order in orders:
            views = self._views(first, *order.shape) if self.pairs else {}
            rows = {outputs.name(pair): self._look_up(pair, order, views[pair[1]], begun, tell) for pair in self.pairs}
            rates = number(self.plan.rates(first, len(order)))
            rows = {name: self.place.put_order(r) for name, r in rows.items()}
            made.append(Given(seed, rows, rates=rates, weights=weights))
            first, begun = first + len(order), max(0, begun - len(order))
        return made

    def said(self) -> str:
        """What the cache did so far, for the log; "" when there is nothing to say."""
        parts = [f"{net} ({view}) is not cached: {', '.join(taps)} are looked at"
                 for (net, view), taps in self.left_out.items()]
        if self.pairs:
            parts.append(f"teacher's outputs: {self.found} found, {self.computed} computed")
        return "; ".join(parts)

    def _look_up(self, pair, order, views, begun: int, tell) -> np.ndarray:
        rows, numbering = self.rows[pair], self.plan.objective.task.views[pair[1]].numbering
        numbers = order.astype(np.int64) * numbering.count + views
        rows.refresh()
        missing = rows.missing(numbers[begun:].ravel())
        if len(missing):
            self.filler.fill(rows, pair, missing, tell)
        self.found, self.computed = self.found + numbers[begun:].size - len(missing), self.computed + len(missing)
        out = np.zeros((*numbers.shape, rows.width), rows.dtype)
        out[begun:] = rows.take(numbers[begun:].ravel()).reshape(*numbers[begun:].shape, -1)
        return out

    def _views(self, first: int, steps: int, size: int) -> dict[str, np.ndarray]:
        """{view: its number, [steps, size]} as the steps will draw them."""
        drawn = self._numbers(size)(np.int32(self.config.seed), np.arange(first, first + steps, dtype=np.int32))
        return {view: np.asarray(numbers) for view, numbers in drawn.items()}

    @functools.cache  # noqa: B019
    def _numbers(self, size: int):
        task = self.plan.objective.task
        wanted = {view: task.views[view].numbering for _, view in self.pairs}

        def one(seed, step):
            drawn = view_draws(task, seed, self.plan.name, step, size)
            return {view: numbering.number(drawn[view]) for view, numbering in wanted.items()}
        return jax.jit(lambda seed, steps: jax.lax.map(lambda step: one(seed, step), steps))

    def _rows(self, net: str, view: str) -> Rows:
        task, variables, train = self.plan.objective.task, self.held.host[net], self.held.data.train
        images = getattr(train, "raw", train.images)
        shapes = self.filler.shape((net, view))
        key = {"format": FORMAT, "teacher": fingerprint(variables), "network": task.nets[net].network.name,
               "images": describe(images), "view": task.views[view].numbering.name, "rows": list(shapes.shape[1:]),
               "chunk": chunk(), "jax": [jax.__version__, jax.lib.__version__],
               "device": [d.device_kind for d in self.place.devices[:1]], "machine": [platform.machine(), machine()],
               "precision": str(jax.config.jax_default_matmul_precision)}
        disk = cache.folder(self.config.data.cache_dir) / FOLDER if self.config.teacher.cache == "disk" else None
        return Rows(disk, key, shapes.shape[1], shapes.dtype.name)


def taps(config, p, held: Held, state, pairs: list[tuple[str, str]]) -> dict[tuple[str, str], dict[int, str]]:
    """{(net, view) of `pairs`: {leaf of its Output: tap}} that the steps of a stage look at."""
    task, size, train = p.objective.task, config.data.batch_size, held.data.train
    data = getattr(train, "raw", train.images)
    abstract = lambda tree: jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), tree)
    raw, key = jax.ShapeDtypeStruct((size, *data.shape[1:]), data.dtype), jax.eval_shape(lambda: jax.random.key(0))
    inputs = {view: jax.eval_shape(lambda raw, key, how=how: how.apply(raw, how.draw(key, size)), raw, key)
              for view, how in task.views.items()}
    index = jax.ShapeDtypeStruct((size,), jnp.int32)
    batch = Batch(inputs, index, index, jax.ShapeDtypeStruct((), jnp.float32), {})
    return outputs.asked(p.objective, abstract(state), abstract(held.host), batch, key, pairs)


def fingerprint(variables) -> str:
    """The sha256 of a network's variables: their names, types and bits."""
    digest = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_leaves_with_path(variables):
        digest.update(f"{jax.tree_util.keystr(path)} {describe(np.asarray(leaf))}".encode())
    return digest.hexdigest()
