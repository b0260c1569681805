"""What a reference method is; the same parts as kdjax.methods.base, on torch modules."""
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import nn


class Context(NamedTuple):
    """All that a loss may look at: both outputs (teacher detached), adapt(name, *args), the teacher's classifier."""

    student: Any
    teacher: Any
    batch: dict
    adapt: Callable
    teacher_head: Callable


class Stage(NamedTuple):
    """A pre-stage: adapters are optimised and in train mode; student "trunk" (the same) or None (eval mode, untouched).

    lr: constant, None for the base rate. gamma, alpha and beta do not apply.
    """

    name: str
    loss: Callable
    adapters: tuple[str, ...] = ()
    student: str | None = None
    lr: float | None = None


class Shapes(NamedTuple):
    """Feature shapes of a network without the batch axis, as a method's constructor wants them."""

    name: str
    maps: tuple
    preact: tuple
    embedding: int
    pre_pool: tuple

    @classmethod
    @torch.no_grad()
    def of(cls, name, net, image_size=32):
        """Measured on one blank image, in eval mode."""
        f = net.eval()(torch.zeros(1, 3, image_size, image_size, dtype=torch.float64)).features
        shapes = [tuple(tuple(x.shape[1:]) for x in maps) for maps in (f.maps, f.preact)]
        return cls(name, *shapes, f.embedding.shape[1], tuple(f.pre_pool.shape[1:]))


class Method(nn.Module):
    """One distillation method.

    adapters: its modules by name, keys of `state_dict` after "adapters." as in the originals. frozen: never optimised
    in the main stage. eval_mode: in eval mode there. unused: constructed by the originals and never called. weights:
    of the terms inside the method's sum.
    """

    frozen: frozenset = frozenset()
    eval_mode: frozenset = frozenset()
    weights: dict = {}  # noqa: RUF012 - replaced, never mutated
    stages: tuple = ()

    def __init__(self, student: Shapes, teacher: Shapes, **options):
        super().__init__()
        self.adapters = nn.ModuleDict()
        self.setup(student, teacher, **options)
        self.double()

    def setup(self, student: Shapes, teacher: Shapes):
        """Build the adapters."""

    def init_memory(self) -> dict:
        """The memory's tensors, drawn by the caller."""
        return {}

    def loss(self, ctx: Context, memory: dict) -> tuple[dict, dict]:
        """Named scalar terms, and the memory after this step."""
        return {}, memory
