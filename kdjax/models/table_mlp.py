"""The MLPs of i-Mix and DS-SRD for tables of numbers (spec/self_supervised.md, 4.2; spec/models.md, 3.12).

Names: imix_mlp5_wW_plain, ssl_mlp3_wW_plain and ..._split, W the width (64 as published). `image_size` of a plain
one is the number of columns; "split" is for covtype's 10 numbers, 4 and 40 one-hot columns, a linear layer each.
"""
import itertools
import re
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from flax import nnx

from kdjax.models.layers import BatchNorm, Linear, Sequence, relu
from kdjax.models.network import Features, Output

COVTYPE = (10, 4, 40)
HIDDEN = {5: (32, 32, 64, 64, 128), 3: (32, 64, 128)}       # times the width
INPUT_WIDTH, UNITS = 64, 4                                  # of a group of columns; units a maxout takes the largest of


class TableMLP(nnx.Module):
    """[B, columns] -> Output without maps; the embedding is the maxout, of 32 * width numbers."""
    trunk = ("body", "last_fc")

    def __init__(self, depth: int, width: int, split: bool, num_classes: int, image_size: int, *, rngs: nnx.Rngs):
        self.groups = COVTYPE if split else (image_size,)
        self.input_shape = (sum(self.groups),)
        for i, columns in enumerate(self.groups, 1):
            first = Linear(columns, INPUT_WIDTH, rngs=rngs)
            setattr(self, f"fc{i}", first if split else Sequence(first, BatchNorm(INPUT_WIDTH), relu))
        sizes = (INPUT_WIDTH * len(self.groups), *(width * n for n in HIDDEN[depth]))
        self.body = Sequence(*(Sequence(Linear(a, b, rngs=rngs), BatchNorm(b), relu)
                               for a, b in itertools.pairwise(sizes[:-1])))
        self.last_fc = Linear(*sizes[-2:], rngs=rngs)
        self.fc = Linear(sizes[-1] // UNITS, num_classes, rngs=rngs)

    def __call__(self, x: jax.Array) -> Output:
        embedding = self.embed(x)
        return Output(self.classify(embedding), Features((), (), embedding, embedding))

    def embed(self, x: jax.Array) -> jax.Array:
        parts = jnp.split(x, list(itertools.accumulate(self.groups))[:-1], axis=-1)
        first = [getattr(self, f"fc{i}")(part) for i, part in enumerate(parts, 1)]
        x = self.last_fc(self.body(jnp.concatenate(first, axis=-1)))
        return x.reshape(*x.shape[:-1], -1, UNITS).max(-1)

    def classify(self, embedding: jax.Array) -> jax.Array:
        return self.fc(embedding)


def is_table(name: str) -> bool:
    """Whether a network takes rows of a table, a head's suffix aside."""
    return bool(re.match(r"(imix|ssl)_mlp[53]_w\d+_", name))


def constructor(name: str) -> Callable[..., nnx.Module] | None:
    """The maker of the network called `name`, None for a name of another family. It also takes image_size."""
    found = re.fullmatch(r"(?:imix|ssl)_mlp([53])_w(\d+)_(plain|split)", name)
    return found and partial(TableMLP, int(found[1]), int(found[2]), found[3] == "split")
