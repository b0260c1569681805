"""Adapters of pooled vectors. A 4-D input is flattened in torch's order (C, H, W)."""
import jax
import jax.numpy as jnp
from flax import nnx

from kdjax.losses import l2_normalize
from kdjax.models.heads import WrappedBatchNorm
from kdjax.models.layers import TORCH_ZERO_BIAS, BatchNorm, Linear, Sequence, relu
from kdjax.models.network import Functional


def flatten(x: jax.Array) -> jax.Array:
    """[B, H, W, C] or [B, D] -> [B, D], maps in the order (C, H, W)."""
    x = x.transpose(0, 3, 1, 2) if x.ndim == 4 else x
    return x.reshape(x.shape[0], -1)


def raw_normalize(x: jax.Array) -> jax.Array:
    """x / ||x||_2 along the last axis, without epsilon: NaN at zero, as in the originals."""
    return x / jnp.sqrt(jnp.square(x).sum(-1, keepdims=True))


class LinearEmbed(nnx.Module):
    def __init__(self, inputs: int, outputs: int, *, rngs: nnx.Rngs):
        self.linear = Linear(inputs, outputs, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.linear(flatten(x))


class Regress(LinearEmbed):
    def __call__(self, x: jax.Array) -> jax.Array:
        return relu(super().__call__(x))


class Embed(LinearEmbed):
    def __call__(self, x: jax.Array) -> jax.Array:
        return raw_normalize(super().__call__(x))


class UnitLinear(Linear):
    def __call__(self, x: jax.Array) -> jax.Array:
        return l2_normalize(super().__call__(flatten(x)))


class MLPEmbed(nnx.Module):
    def __init__(self, inputs: int, hidden: int, outputs: int, *, rngs: nnx.Rngs):
        self.linear1 = Linear(inputs, hidden, rngs=rngs)
        self.linear2 = Linear(hidden, outputs, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        return raw_normalize(self.linear2(relu(self.linear1(flatten(x)))))


class TwoLinear(nnx.Module):
    def __init__(self, inputs: int, outputs: int, *, rngs: nnx.Rngs):
        self.l1 = LinearEmbed(inputs, inputs // 2, rngs=rngs)
        self.l2 = LinearEmbed(inputs // 2, outputs, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.l2(relu(self.l1(x)))


class DCDScales(nnx.Module):
    def __init__(self, init_tau: float, *, rngs: nnx.Rngs):
        self.tau = nnx.Param(jnp.full((), float(init_tau)))
        self.b = nnx.Param(jnp.zeros(()))

    def __call__(self) -> tuple[jax.Array, jax.Array]:
        return self.tau[...], self.b[...]


class CTKDParameter(nnx.Module):
    def __init__(self, *, rngs: nnx.Rngs):
        self.global_T = nnx.Param(jnp.ones((1,)))

    def __call__(self) -> jax.Array:
        return self.global_T[0]


class KDPPProjector(nnx.Module):
    """`bn`, dropout by a mask that the caller drew, `linear` with bias 0 at the start."""

    def __init__(self, inputs: int, outputs: int, *, rngs: nnx.Rngs):
        self.bn = BatchNorm(inputs)
        self.linear = Linear(inputs, outputs, TORCH_ZERO_BIAS, rngs=rngs)

    def __call__(self, x: jax.Array, keep: jax.Array | None = None) -> jax.Array:
        x = self.bn(x)
        return self.linear(x if keep is None else 2 * jnp.where(keep, x, 0))


def linear_embed(inputs: int, outputs: int) -> Functional:
    """Linear with bias, [B, inputs] -> [B, outputs]; not normalised (CC, ITRD)."""
    return Functional(lambda rngs: LinearEmbed(inputs, outputs, rngs=rngs))


def regress(inputs: int, outputs: int) -> Functional:
    """relu(linear(x)), [B, inputs] -> [B, outputs]."""
    return Functional(lambda rngs: Regress(inputs, outputs, rngs=rngs))


def embed(inputs: int, outputs: int = 128) -> Functional:
    """Unit rows of linear(x), normalised without epsilon (CRD, PRSD): [B, inputs] -> [B, outputs]."""
    return Functional(lambda rngs: Embed(inputs, outputs, rngs=rngs))


def unit_linear(inputs: int, outputs: int = 128) -> Functional:
    """Unit rows of a bare linear layer, normalised with epsilon 1e-12 (DCD, RRD, CRD with a queue)."""
    return Functional(lambda rngs: UnitLinear(inputs, outputs, rngs=rngs))


def mlp_embed(inputs: int, outputs: int, hidden: int | None = None) -> Functional:
    """Unit rows of linear2(relu(linear1(x))), hidden = 2 * outputs by default (256 in Good-DA-in-KD's CRD)."""
    return Functional(lambda rngs: MLPEmbed(inputs, hidden or 2 * outputs, outputs, rngs=rngs))


def itrd_embed(inputs: int, outputs: int, depth: int = 1) -> Functional:
    """ITRD's embedding (BMVC 2022): one linear layer, or (depth 2) linear to inputs // 2, ReLU, linear; no BN."""
    if depth not in (1, 2):
        raise ValueError(f"itrd_embed has depth 1 or 2, not {depth}")
    module = LinearEmbed if depth == 1 else TwoLinear
    return Functional(lambda rngs: module(inputs, outputs, rngs=rngs))


def dcd_scales(init_tau: float = 1.0) -> Functional:
    """DCD's learnt log temperature and bias, called without arguments: scalars (tau, b), first init_tau and 0."""
    return Functional(lambda rngs: DCDScales(init_tau, rngs=rngs))


def ctkd_parameter() -> Functional:
    """CTKD's one trained number (AAAI 2023), first 1; called without arguments: a scalar for `ctkd_temperature`."""
    return Functional(lambda rngs: CTKDParameter(rngs=rngs))


def kdpp_projector(inputs: int, outputs: int) -> Functional:
    """KD++'s projector where the widths differ (2023): (x, keep) [B, inputs] -> [B, outputs]: BN, dropout 1/2, linear.

    keep: bool [B, inputs], True where a value survives (and is doubled); None: no dropout.
    """
    return Functional(lambda rngs: KDPPProjector(inputs, outputs, rngs=rngs))


def predictor(num_classes: int, hidden: int) -> Functional:
    """DS-SRD's head on logits, [B, C] -> [B, C]: linear to hidden, BN, ReLU, linear back, BN (0, 1.bn, 3, 4.bn)."""
    return Functional(lambda rngs: Sequence(Linear(num_classes, hidden, rngs=rngs), WrappedBatchNorm(hidden), relu,
                                            Linear(hidden, num_classes, rngs=rngs), WrappedBatchNorm(num_classes)))
