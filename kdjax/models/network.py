"""The functional face of an NNX module: `init(key)` and `apply(variables, ...)` on plain nested dicts of arrays.

Variables are {"params": {...}, "batch_stats": {...}}. Every path component equals the torch key component ("layer1",
"0", "conv1"); the leaves are kernel, bias, scale | mean, var. `leaf_paths` lists every leaf of both collections in the
order of torch's `state_dict` as (path, kind), kind being "conv", "conv_transpose", "linear", "bn" or "param" (a bare
parameter such as log_scale). A batch-norm layer's four leaves stand together: scale, bias, mean, var
(num_batches_tracked would follow). Convolution kernels are HWIO, linear kernels (in, out), transposed-convolution
kernels flipped HWIO (spec/models.md, 8).
"""
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from kdjax.errors import UserError

Variables = dict[str, Any]


class Features(NamedTuple):
    """What a network shows besides its logits; a pytree."""
    maps: Any           # tuple of NHWC maps: stem, stage 1, ...        (torch feat[:-1])
    preact: Any         # the same list before the last activation      (torch preact=True)
    embedding: Any      # [B, D], the pooled vector                     (torch feat[-1])
    pre_pool: Any       # NHWC, the map that is pooled                  (ICKD's tap)


class Output(NamedTuple):
    logits: jax.Array
    features: Features


class Functional:
    """A factory `rngs -> nnx.Module` as two pure functions. The module is split once, here."""

    def __init__(self, factory: Callable[[nnx.Rngs], nnx.Module]):
        self.factory = factory
        order: list[tuple[tuple[str, ...], str]] = []

        def build():
            module = factory(nnx.Rngs(0))
            order.extend(_leaves(module))       # here, because a rebuilt module forgets the order of definition
            return module

        self._graph, params, stats, rest = nnx.split(nnx.eval_shape(build), nnx.Param, nnx.BatchStat, ...)
        if others := nnx.to_flat_state(rest):
            raise UserError(f"a network may hold Param and BatchStat variables only; take out {others[0][0]}")
        self._abstract = {"params": nnx.to_pure_dict(params), "batch_stats": nnx.to_pure_dict(stats)}
        self.leaf_paths = order

    def init(self, key: jax.Array) -> Variables:
        """Fresh variables, drawn from the originals' distributions."""
        _, params, stats = nnx.split(self.factory(nnx.Rngs(key)), nnx.Param, nnx.BatchStat)
        return {"params": _named(nnx.to_pure_dict(params)), "batch_stats": _named(nnx.to_pure_dict(stats))}

    def apply(self, variables: Variables, *args, train: bool | str = False, method: str = "__call__", **kwargs):
        """`(output, new batch_stats)` of one call; pure, for use under jit, grad and vmap.

        train: True (batch statistics, updated), False, or, for a Network, "trunk". method: another method of the
        module.
        """
        states = (_unnamed(variables[part], like) for part, like in self._abstract.items())
        module = nnx.merge(self._graph, *states, copy=True)
        self._set_mode(module, train)
        output = getattr(module, method)(*args, **kwargs)
        return output, _named(nnx.to_pure_dict(nnx.state(module, nnx.BatchStat)))

    @functools.cached_property
    def abstract(self) -> Variables:
        """The variables as jax.ShapeDtypeStruct leaves."""
        return _named(self._abstract)

    @functools.cached_property
    def num_params(self) -> int:
        """Trainable parameters: weights, biases, batch-norm scales and biases."""
        return sum(leaf.size for leaf in jax.tree.leaves(self._abstract["params"]))

    def _module(self) -> nnx.Module:
        """The module with abstract variables, for its static attributes."""
        return nnx.merge(self._graph, *self._abstract.values())

    def _set_mode(self, module: nnx.Module, train: bool | str) -> None:
        if train not in (True, False):
            raise ValueError(f"train must be True or False, not {train!r}")
        module.train() if train else module.eval()


class Network(Functional):
    """A classifier with features. Its module returns an Output and has `classify(embedding)` and a tuple `trunk`."""

    def __init__(self, name: str, factory: Callable[[nnx.Rngs], nnx.Module], num_classes: int, image_size: int = 32):
        super().__init__(factory)
        self.name, self.num_classes, self.image_size = name, num_classes, image_size
        module = self._module()
        self.trunk: tuple[str, ...] = tuple(getattr(module, "trunk", ()))
        self.preact_norms: tuple[tuple[str, ...], ...] = tuple(getattr(module, "preact_norms", ()))
        # one input without the batch axis: a square image of 1 or 3 channels, or what the module says (a table row)
        square = (image_size, image_size, getattr(module, "channels", 3))
        self.input_shape: tuple[int, ...] = getattr(module, "input_shape", square)

    def __repr__(self) -> str:
        return f"Network({self.name!r}, num_classes={self.num_classes}, image_size={self.image_size})"

    def apply(self, variables: Variables, images: jax.Array, train: bool | str = False,
              between: Callable[[int, jax.Array], jax.Array] | None = None) -> tuple[Output, Any]:
        """(Output, new batch_stats) of images [B, *input_shape] float, mostly [B, S, S, 3] with S = image_size.

        train: True, False, or "trunk" (train mode inside the trunk only). between(depth, x) -> x: what becomes of the
        map after group `depth` (1, 2, ...), as manifold mixup needs it. Raises UserError for images of another size.
        """
        self._check(images)
        return super().apply(variables, images, train=train, **({} if between is None else {"between": between}))

    def _check(self, images: jax.Array) -> None:
        if tuple(images.shape[1:]) != self.input_shape:
            raise UserError(f"{self.name} was built for images of shape {self.input_shape}, not "
                            f"{tuple(images.shape[1:])}: set image_size to the data's")

    def classify(self, variables: Variables, embedding: jax.Array) -> jax.Array:
        """The classifier head alone: [B, D] pooled vectors -> [B, classes] logits."""
        return super().apply(variables, embedding, method="classify")[0]

    @functools.cached_property
    def feature_shapes(self) -> Features:
        """Features whose leaves are shapes without the batch axis: (H, W, C) and (D,)."""
        features = self._abstract_output.features
        return jax.tree.map(lambda x: tuple(x.shape[1:]), features)

    @functools.cached_property
    def _abstract_output(self) -> Output:
        images = jax.ShapeDtypeStruct((1, *self.input_shape), jnp.float32)
        return jax.eval_shape(lambda v, x: self.apply(v, x)[0], self.abstract, images)

    def _set_mode(self, module: nnx.Module, train: bool | str) -> None:
        if train != "trunk":
            return super()._set_mode(module, train)
        module.eval()
        for child in self.trunk:
            getattr(module, child).train()


def _named(tree: dict) -> dict:
    return {str(key): _named(value) if isinstance(value, dict) else value for key, value in tree.items()}


def _unnamed(tree: dict, like: dict) -> dict:
    """Back to the keys of the module's graph, where the entries of an nnx.List are numbers."""
    return {key: _unnamed(tree[str(key)], value) if isinstance(value, dict) else tree[str(key)]
            for key, value in like.items()}


def _leaves(module: nnx.Module, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], str]]:
    """(path, kind) of every variable, own ones before the children's, as torch orders them."""
    children = {name: value for name, value in vars(module).items() if not name.startswith("_pytree__")}
    kind = getattr(type(module), "kind", "param")
    own = [((*path, str(name)), kind) for name, value in children.items() if isinstance(value, nnx.Variable)]
    for name, value in children.items():
        if isinstance(value, nnx.Module | nnx.List):
            own += _leaves(value, (*path, str(name)))
    return own
