"""Projection and prediction heads of the self-supervised releases (i-Mix, DS-SRD), and putting one on any network.

Keys are those of i-Mix's builder (spec/models.md, 3.12): 0, 1.bn, 3, 4.bn; a bare linear head has none of its own.
"""
import re

import jax
from flax import nnx

from kdjax.errors import UserError
from kdjax.models.layers import BatchNorm, Linear, Sequence, relu
from kdjax.models.network import Functional, Network

KINDS = ("lin", "linbn", "mlp", "mlpbn1", "mlpbn")
FEATURES = "features"                                   # no head at all: the logits are the pooled features
SUFFIX = re.compile(rf"(.+)_({'|'.join((*KINDS, FEATURES))})")
CLASSIFIERS = ("fc", "linear", "classifier")            # what the networks call theirs


class WrappedBatchNorm(nnx.Module):
    """The 1-D batch norm that some originals keep one level deeper, under `bn`."""

    def __init__(self, channels: int):
        self.bn = BatchNorm(channels)

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.bn(x)


class Identity(nnx.Module):
    """No head."""

    def __call__(self, x: jax.Array) -> jax.Array:
        return x


def head(kind: str, inputs: int, hidden: int, outputs: int, *, rngs: nnx.Rngs) -> nnx.Module:
    """[B, inputs] -> [B, outputs]. kind: lin | linbn | mlp | mlpbn1 | mlpbn, or features for none.

    mlp: linear to `hidden`, ReLU, linear; mlpbn1: batch norm before the ReLU; mlpbn: and one at the end. Every linear
    layer has a bias. Raises UserError for another kind.
    """
    if kind == FEATURES:
        return Identity()
    if kind == "lin":
        return Linear(inputs, outputs, rngs=rngs)
    if kind == "linbn":
        return Sequence(Linear(inputs, outputs, rngs=rngs), WrappedBatchNorm(outputs))
    if kind not in KINDS:
        raise UserError(f"unknown head {kind!r}; use one of {', '.join(KINDS)}")
    first = Linear(inputs, hidden, rngs=rngs)
    middle = (relu,) if kind == "mlp" else (WrappedBatchNorm(hidden), relu)
    last = (WrappedBatchNorm(outputs),) if kind == "mlpbn" else ()
    return Sequence(first, *middle, Linear(hidden, outputs, rngs=rngs), *last)


def grouped(net: Functional, groups: int) -> Functional:
    """The same network with every batch norm over `groups` equal parts of the batch (layers.BatchNorm)."""
    def make(rngs):
        module = net.factory(rngs)
        for _, part in nnx.iter_graph(module):
            if isinstance(part, BatchNorm):
                part.groups = groups
        return module
    if groups == 1:
        return net
    sizes = (net.num_classes, net.image_size) if isinstance(net, Network) else ()
    return type(net)(net.name, make, *sizes) if sizes else type(net)(make)


def put_on(module: nnx.Module, kind: str, outputs: int, rngs: nnx.Rngs, name: str) -> nnx.Module:
    """`module` with its classifier replaced by a head of `kind`, hidden size that of the features. Changes `module`."""
    own = getattr(module, "head_name", None)
    attribute = own or next((key for key in CLASSIFIERS if getattr(module, key, None) is not None), None)
    if attribute is None:
        raise UserError(f"{name} has none of {', '.join(CLASSIFIERS)}, so no head can take its classifier's place")
    old = getattr(module, attribute)
    width = (next(iter(old)) if isinstance(old, Sequence) else old).kernel.shape[0]
    setattr(module, attribute, head(kind, width, width, outputs, rngs=rngs))
    return module
