"""A user's own network in place of a built-in one: `models.build("package.module:Class", num_classes=10)`.

The contract: a flax.nnx.Module class made as Class(num_classes=..., rngs=...), and with image_size=... if its
constructor takes it. Called with images [B, S, S, 3] it returns the logits [B, num_classes], or (logits, features) with
features a `kdjax.models.Features` or a dict with any of maps, preact, embedding, pre_pool. It may hold Param and
BatchStat variables. Layers are switched by nnx's own train() and eval(); a `__call__(self, x, train)` is told as well.
Optional: `trunk`, the names of the children that pre-stages train (default: none), and `classify(embedding) -> logits`,
which SRRL and SimKD need of a teacher. What a network does not give is asked for in vain: a UserError names the feature
and the network.
"""
import importlib
import inspect

import jax
from flax import nnx

from kdjax.errors import UserError
from kdjax.models.network import Features, Functional, Network, Output


@jax.tree_util.register_static
class Missing:
    """Stands for a feature that a user's network does not return; any use raises UserError. A pytree without leaves."""

    def __init__(self, feature: str, network: str):
        self.__dict__.update(_feature=feature, _network=network)

    def _refuse(self, *args, **kwargs):
        raise UserError(f"{self._network} returns no features.{self._feature}, which this method needs: "
                        f"return (logits, {{'{self._feature}': ...}}) from its __call__")

    def __getattr__(self, name):
        if name.startswith("__") and name != "__jax_array__":
            raise AttributeError(name)      # so that copying, printing and hasattr still work
        self._refuse()

    def __eq__(self, other):
        return isinstance(other, Missing) and (self._feature, self._network) == (other._feature, other._network)

    def __hash__(self):
        return hash((self._feature, self._network))

    __getitem__ = __iter__ = __len__ = __array__ = _refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __matmul__ = __rmatmul__ = _refuse


class CustomNetwork(Network):
    """A Network around a user's module."""

    def apply(self, variables, images, train=False, **kwargs):
        self._check(images)
        mode = (train is True,) if "train" in inspect.signature(type(self._module()).__call__).parameters else ()
        returned, stats = Functional.apply(self, variables, images, *mode, train=train, **kwargs)
        return self._as_output(returned), stats

    def classify(self, variables, embedding):
        if not hasattr(self._module(), "classify"):
            raise UserError(f"{self.name} has no classify(embedding), which this method needs: add it to the class")
        return super().classify(variables, embedding)

    def _as_output(self, returned) -> Output:
        logits, features = returned if isinstance(returned, tuple) else (returned, {})
        given = features._asdict() if isinstance(features, Features) else dict(features)
        if surplus := set(given) - set(Features._fields):
            raise UserError(f"{self.name} returns an unknown feature {min(surplus)!r}: "
                            f"name it one of {', '.join(Features._fields)}")
        return Output(logits, Features(*(self._feature(name, given.get(name)) for name in Features._fields)))

    def _feature(self, name: str, value):
        if value is None:
            return Missing(name, self.name)
        return tuple(value) if name in ("maps", "preact") else value


def build(name: str, num_classes: int, image_size: int) -> CustomNetwork:
    """The network of "package.module:Class"; raises UserError if it cannot be imported or is no nnx.Module class."""
    module_name, _, class_name = name.partition(":")
    try:
        cls = getattr(importlib.import_module(module_name), class_name)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(f"cannot import {name} ({error}): give package.module:Class, importable from here") from error
    if not (inspect.isclass(cls) and issubclass(cls, nnx.Module)):
        raise UserError(f"{name} is not a flax.nnx.Module class")
    sizes = {"image_size": image_size} if "image_size" in inspect.signature(cls.__init__).parameters else {}
    return CustomNetwork(name, lambda rngs: cls(num_classes=num_classes, rngs=rngs, **sizes), num_classes, image_size)
