"""What a distillation method is: adapters, a memory, named loss terms, and the stages it trains before the main one."""
from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import jax

from kdjax.errors import UserError

Variables = dict[str, Any]
Terms = dict[str, jax.Array]
Memory = dict[str, jax.Array]


class Adapt:
    """Applies a method's adapters inside one step and collects their new batch statistics.

    `adapt("embed_s", x)` runs the adapter on x, in train mode unless its name is in `eval_mode`.
    """

    def __init__(self, adapters: Mapping, params: Variables, batch_stats: Variables, train: Callable[[str], bool]):
        self._adapters, self._params, self._train, self._before = adapters, params, train, batch_stats
        self.batch_stats = dict(batch_stats)

    def afresh(self) -> Adapt:
        """The same adapters with the statistics from before this step, for a second look that must not count."""
        return Adapt(self._adapters, self._params, self._before, self._train)

    def __call__(self, name: str, *args, **kwargs):
        variables = {"params": self._params[name], "batch_stats": self.batch_stats[name]}
        out, self.batch_stats[name] = self._adapters[name].apply(variables, *args, train=self._train(name), **kwargs)
        return out


class Stage(NamedTuple):
    """Training before the main stage, as data.

    loss: a step's Context -> named terms (their plain sum is minimised; gamma, alpha and beta do not apply).
    adapters: names of the adapters that are optimised and in train mode. student: "trunk" (optimised, its batch norms
    in train mode) or None (untouched, in eval mode). lr: constant learning rate, or None for the main stage's base.
    """

    name: str
    loss: Callable[[Any], Terms]
    adapters: tuple[str, ...] = ()
    student: str | None = None
    lr: float | None = None


class Method:
    """A distillation method, built from both networks and the config; raises UserError for a pair it cannot serve."""

    name: str = ""
    paper: str = ""
    year: int = 0
    taps: str = "logits"
    needs_teacher: bool = True
    has_memory: bool = False
    num_stages: int = 1
    views: tuple[str, ...] = ()  # further views of the images that the loss asks for, besides "x"

    def __init__(self, student, teacher, config):
        self.student, self.teacher, self.config = student, teacher, config
        self.adapters: dict[str, Any] = {}
        self.own_weight: float | None = None  # of its terms, where that is not beta
        self.followers: dict[str, dict] = {}  # further networks that are averages of another: see tasks.base.followers
        self.frozen: frozenset[str] = frozenset()  # never optimised in the main stage: no gradient, no decay
        self.eval_mode: frozenset[str] = frozenset()  # batch norm of these in eval mode in the main stage
        self.student_frozen: frozenset[tuple[str, ...]] = frozenset()  # paths in the student's parameters: the same
        self.term_weights: dict[str, float] = {}  # inside the method's sum, before beta; missing means 1
        self.stages: tuple[Stage, ...] = ()

    def start(self, key: jax.Array, params: Variables) -> Variables:
        """The student's fresh parameters as the method wants them (not called where it starts from a checkpoint)."""
        return params

    def init_memory(self, key: jax.Array, labels: jax.Array) -> Memory:
        """The memory before the first step. labels: [N] int, the training set's."""
        return {}

    def draw(self, key: jax.Array, batch) -> dict[str, Any]:
        """Every random quantity of a step, found again as `ctx.draws`. batch: labels [B], index [B], epoch, inputs."""
        return {}

    def loss(self, ctx, memory: Memory) -> tuple[Terms, Memory]:
        """Named scalar terms and the memory after this step. ctx: a `kdjax.step.context.Context`."""
        return {}, memory

    def at_epoch(self, look, memory: Memory) -> Memory:
        """The memory before an epoch, of unchanged shapes. look: the whole training set as the networks see it now
        (`kdjax.run.look.Look`: features(net, tap), labels(), epoch, key)."""
        return memory

    def predict(self, ctx) -> jax.Array:
        """The evaluated logits: the student's own unless the method deploys more (no view but "x", no labels here)."""
        return ctx.student.logits


def feature_shape(net, which: str) -> Any:
    """Shape(s) of a network's feature (without batch), or a UserError that names the network and the feature."""
    shape = getattr(net.feature_shapes, which, None)
    if shape is None or shape == ():
        raise UserError(f"network {net.name!r} does not return features.{which}, which this method needs; "
                        f"return it from the network's __call__ or choose another method")
    return shape


def refuse(method: str, student, teacher, why: str, shapes: Iterable) -> UserError:
    """The error of a method that cannot serve a pair."""
    listed = ", ".join(str(s) for s in shapes)
    return UserError(f"{method} cannot distil {teacher.name} into {student.name}: {why} ({listed}); "
                     f"choose another pair or another method")
