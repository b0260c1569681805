"""What a reference method is; the same parts as kdjax.methods.base, on torch modules."""
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import nn


class Context(NamedTuple):
    """All that a loss may look at: both outputs (teacher detached), adapt(name, *args), the teacher's classifier.

    nets: {"student", "teacher"} as modules. batch["epoch"] counts from 1 (absent: nobody counts).
    """

    student: Any
    teacher: Any
    batch: dict
    adapt: Callable
    teacher_head: Callable
    nets: dict = {}  # noqa: RUF012 - a tuple's default

    def warm_up(self, epochs, first=1.0):
        """(epoch - 1 + first) / epochs, at most 1."""
        return min((float(self.batch["epoch"]) - 1 + first) / epochs, 1.0) if epochs and "epoch" in self.batch else 1.0


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
    of the terms inside the method's sum. student_frozen: the student's parameters that are never optimised.
    teacher_train: the teacher runs in train mode, as the release does.
    """

    frozen: frozenset = frozenset()
    eval_mode: frozenset = frozenset()
    student_frozen: frozenset = frozenset()
    teacher_train: bool = False
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
