"""Multiply-accumulates of a function, counted in its jaxpr: convolutions and matrix products; nothing else counts."""
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, Jaxpr

from kdjax.models.convolution import plain
from kdjax.models.network import Network


def count_macs(fn: Callable, *args) -> int:
    """Multiply-accumulates of `fn(*args)`; args may be abstract (jax.ShapeDtypeStruct), nothing is computed."""
    return _count(jax.make_jaxpr(fn)(*args).jaxpr)


def network_macs(net: Network) -> int:
    """Multiply-accumulates of one image's logits, the number that tables of networks give."""
    image = jax.ShapeDtypeStruct((1, net.image_size, net.image_size, 3), jnp.float32)
    with plain():
        return count_macs(lambda variables, x: net.apply(variables, x)[0].logits, net.abstract, image)


def _count(jaxpr: Jaxpr) -> int:
    return sum(_equation(eqn) + sum(map(_count, _inner(eqn))) for eqn in jaxpr.eqns)


def _equation(eqn) -> int:
    shapes = [getattr(v.aval, "shape", ()) for v in eqn.invars]
    if eqn.primitive.name == "conv_general_dilated":
        outputs = eqn.params["dimension_numbers"].rhs_spec[0]
        per_output = math.prod(n for axis, n in enumerate(shapes[1]) if axis != outputs)
    elif eqn.primitive.name == "dot_general":
        per_output = math.prod(shapes[0][axis] for axis in eqn.params["dimension_numbers"][0][0])
    else:
        return 0
    return per_output * math.prod(eqn.outvars[0].aval.shape)


def _inner(eqn) -> list[Jaxpr]:
    """The jaxprs of a call (jit, custom gradients, ...)."""
    found = [eqn.params.get(name) for name in ("jaxpr", "call_jaxpr", "fun_jaxpr")]
    return [value.jaxpr if isinstance(value, ClosedJaxpr) else value for value in found if value is not None]
