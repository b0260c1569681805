"""How far float32, TF32 and bfloat16 are from float64, for a few losses and networks: measured, never asserted."""
from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from kdjax import losses, models
from kdjax.weights.torch.checkpoint import from_state_dict
from kdjax.weights.torch.naming import torch_shapes
from parity_tests import golden_data, loss_cases
from parity_tests.bridge import nhwc, to_jax

LOSSES = ("kl_divergence", "attention", "similarity", "rkd", "ickd", "crd", "itrd_correlation")
NETWORKS = ("resnet8", "wrn_10_2", "vgg8")


def relative(got, want) -> float:
    got, want = np.asarray(got, np.float64), np.asarray(want, np.float64)
    return float(np.linalg.norm(got - want) / np.linalg.norm(want))


def loss_value(name: str, dtype):
    """The loss of drawn inputs that are rounded to a dtype."""
    args, kwargs = loss_cases.draw(name)
    out = getattr(losses, name)(*to_jax(args, dtype), **kwargs)
    return out[0] if isinstance(out, tuple) else out


def logits(name: str, dtype, precision: str):
    """A network's logits in train mode, computed in a dtype from float32 weights (float64 ones for float64)."""
    net = models.build(name, num_classes=10)
    weights = from_state_dict(net, golden_data.state_dict(torch_shapes(net), "parity:", gain=0.9))
    keep = jnp.promote_types(dtype, jnp.float32)
    variables = jax.tree.map(lambda x: x.astype(keep), weights)
    images = nhwc(np.random.default_rng(7).standard_normal((8, 3, 32, 32)))
    with jax.default_matmul_precision(precision):
        run = jax.jit(lambda v, x: net.apply(v, x, train=True)[0].logits)
        return run(variables, jnp.asarray(images).astype(dtype))


def computes() -> list[tuple[str, str, str]]:
    """(label, dtype, matmul precision) that this device can show."""
    kinds = [("float32", "float32", "highest"), ("bfloat16", "bfloat16", "default")]
    if jax.devices()[0].platform != "cpu":
        kinds.insert(1, ("TF32", "float32", "tensorfloat32"))
    return kinds


def measure() -> list[dict]:
    """One row per network and compute, then per loss and input dtype."""
    rows = []
    with jax.enable_x64(True):
        for name in NETWORKS:
            want = logits(name, jnp.float64, "highest")
            rows += [{"what": f"{name}, logits", "compute": label, "error": relative(logits(name, dtype, how), want)}
                     for label, dtype, how in computes()]
        for name in LOSSES:
            want = loss_value(name, "float64")
            rows += [{"what": f"losses.{name}", "compute": f"{dtype} inputs",
                      "error": relative(loss_value(name, dtype), want)} for dtype in ("float32", "bfloat16")]
    return rows


def note() -> str:
    """What the rows mean."""
    tf32 = "" if jax.devices()[0].platform != "cpu" else " TF32 exists on a GPU only and was not measured in this run."
    return ("Relative error against float64, by norms; measured, not asserted. Losses compute in float32 also when "
            "their inputs are bfloat16, so theirs is the error of rounding the inputs." + tf32)
