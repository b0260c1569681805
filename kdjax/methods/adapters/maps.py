"""Adapters of feature maps. Shapes are (H, W, C); calls take [B, H, W, C]."""
import itertools
import math

import jax
import jax.numpy as jnp
from flax import nnx

from kdjax.errors import UserError
from kdjax.losses import adaptive_avg_pool
from kdjax.models.layers import TORCH, BatchNorm, Conv, ConvTranspose, Sequence, leaky_relu, relu
from kdjax.models.network import Functional

Shape = tuple[int, int, int]


def plain_conv(inputs: int, outputs: int, size: int, *, rngs: nnx.Rngs) -> Conv:
    """A convolution without bias, torch's default initialisation."""
    return Conv(inputs, outputs, size, init=TORCH, rngs=rngs)


class ConvReg(nnx.Module):
    """FitNet's regressor: a convolution chosen by the heights, batch norm, ReLU."""

    def __init__(self, shape_s: Shape, shape_t: Shape, use_relu: bool = True, *, rngs: nnx.Rngs):
        (h_s, w_s, c_s), (h_t, w_t, c_t) = shape_s, shape_t
        if h_s == 2 * h_t:
            self.conv = Conv(c_s, c_t, 3, stride=2, bias=True, init=TORCH, rngs=rngs)
        elif 2 * h_s == h_t:
            self.conv = ConvTranspose(c_s, c_t, 4, stride=2, padding=1, rngs=rngs)
        elif h_s >= h_t:
            self.conv = Conv(c_s, c_t, (1 + h_s - h_t, 1 + w_s - w_t), padding=0, bias=True, init=TORCH, rngs=rngs)
        else:
            raise UserError(f"no regressor leads from student map {shape_s} to teacher map {shape_t}: the student's "
                            "may be half as high, equally high or higher; choose another hint layer or another pair")
        self.bn = BatchNorm(c_t)
        self.use_relu = use_relu

    def __call__(self, x: jax.Array) -> jax.Array:
        x = self.bn(self.conv(x))
        return relu(x) if self.use_relu else x


class SmallConvReg(nnx.Module):
    """The distillers variant for a student map smaller than the teacher's and not half of it: 3x3, stride 1."""

    def __init__(self, channels_s: int, channels_t: int, use_relu: bool = True, *, rngs: nnx.Rngs):
        self.conv = Conv(channels_s, channels_t, 3, bias=True, init=TORCH, rngs=rngs)
        self.bn = BatchNorm(channels_t)
        self.use_relu = use_relu

    __call__ = ConvReg.__call__


class Connector(nnx.Module):
    """`connectors`: per pair of maps nothing, where channels and height agree, else ConvReg without ReLU."""

    def __init__(self, shapes_s: tuple[Shape, ...], shapes_t: tuple[Shape, ...], *, rngs: nnx.Rngs):
        self.connectors = Sequence(*(None if (s[0], s[2]) == (t[0], t[2]) else ConvReg(s, t, use_relu=False, rngs=rngs)
                                     for s, t in zip(shapes_s, shapes_t, strict=True)))

    def __call__(self, maps: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        return tuple(x if layer is None else layer(x) for x, layer in zip(maps, self.connectors, strict=True))


def _factors(conv, widths: tuple[int, int, int, int], use_bn: bool) -> Sequence:
    """Three 3x3 convolutions, each with an optional batch norm and LeakyReLU(0.1): torch positions 0-8."""
    parts = []
    for inputs, outputs in itertools.pairwise(widths):
        parts += [conv(inputs, outputs), BatchNorm(outputs) if use_bn else None, leaky_relu]
    return Sequence(*parts)


class Paraphraser(nnx.Module):
    """Auto-encoder of the teacher's map."""

    def __init__(self, channels: int, k: float, use_bn: bool, *, rngs: nnx.Rngs):
        c, z = channels, int(channels * k)
        self.encoder = _factors(lambda i, o: Conv(i, o, 3, bias=True, init=TORCH, rngs=rngs), (c, c, z, z), use_bn)
        self.decoder = _factors(lambda i, o: ConvTranspose(i, o, 3, padding=1, rngs=rngs), (z, z, c, c), use_bn)

    def __call__(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        factor = self.encoder(x)
        return factor, self.decoder(factor)

    def encode(self, x: jax.Array) -> jax.Array:
        return self.encoder(x)


class Translator(nnx.Module):
    """The student's encoder to as many factors as the paraphraser has."""

    def __init__(self, channels_s: int, channels_t: int, k: float, use_bn: bool, *, rngs: nnx.Rngs):
        s, z = channels_s, int(channels_t * k)
        self.encoder = _factors(lambda i, o: Conv(i, o, 3, bias=True, init=TORCH, rngs=rngs), (s, s, z, z), use_bn)

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.encoder(x)


def inverse_softplus(x: float) -> float:
    """log(exp(x) - 1)."""
    return math.log(math.expm1(x))


class VIDRegressor(nnx.Module):
    """Mean and log scale of the teacher's map given the student's."""

    def __init__(self, shape_s: Shape, shape_t: Shape, init_var: float, eps: float, *, rngs: nnx.Rngs):
        c_s, c_t = shape_s[2], shape_t[2]
        self.log_scale = nnx.Param(jnp.full((c_t,), inverse_softplus(init_var - eps)))
        self.regressor = Sequence(plain_conv(c_s, c_t, 1, rngs=rngs), relu, plain_conv(c_t, c_t, 1, rngs=rngs), relu,
                                  plain_conv(c_t, c_t, 1, rngs=rngs))
        self.height = shape_t[0]

    def __call__(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        return self.regressor(shrink(x, self.height)), self.log_scale[...]


class VIDSeedRegressor(nnx.Module):
    """The CVPR 2019 release's branch: two 1x1 convolutions with no activation between them."""

    def __init__(self, channels_s: int, channels_t: int, init_rho: float, *, rngs: nnx.Rngs):
        self.variance_param = nnx.Param(jnp.full((channels_t,), init_rho))
        self.branch = Sequence(plain_conv(channels_s, channels_t, 1, rngs=rngs),
                               plain_conv(channels_t, channels_t, 1, rngs=rngs))

    def __call__(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        return self.branch(x), self.variance_param[...]


class ICKDEmbed(nnx.Module):
    """1x1 convolution and a batch norm that the original calls `l2norm`."""

    def __init__(self, channels_s: int, channels_t: int, *, rngs: nnx.Rngs):
        self.conv2d = plain_conv(channels_s, channels_t, 1, rngs=rngs)
        self.l2norm = BatchNorm(channels_t)

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.l2norm(self.conv2d(x))


class SRRLTransfer(nnx.Module):
    """`transfer` = 1x1 convolution, batch norm, ReLU on vectors seen as 1x1 maps."""

    def __init__(self, dim_s: int, dim_t: int, *, rngs: nnx.Rngs):
        self.transfer = Sequence(plain_conv(dim_s, dim_t, 1, rngs=rngs), BatchNorm(dim_t), relu)

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.transfer(x[:, None, None, :])[:, 0, 0, :]


class SimKDProjector(nnx.Module):
    """`transfer` = 1x1, 3x3, 1x1 convolutions, each with batch norm and ReLU, through C_t / factor channels."""

    def __init__(self, shape_s: Shape, shape_t: Shape, factor: int, *, rngs: nnx.Rngs):
        c_s, c_t, c = shape_s[2], shape_t[2], shape_t[2] // factor
        self.transfer = Sequence(plain_conv(c_s, c, 1, rngs=rngs), BatchNorm(c), relu,
                                 plain_conv(c, c, 3, rngs=rngs), BatchNorm(c), relu,
                                 plain_conv(c, c_t, 1, rngs=rngs), BatchNorm(c_t), relu)
        self.height = shape_t[0]

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.transfer(shrink(x, self.height))


def shrink(x: jax.Array, height: int) -> jax.Array:
    """The map pooled to (height, height) if it is higher, else itself."""
    return adaptive_avg_pool(x, height) if x.shape[1] > height else x


def conv_reg(shape_s: Shape, shape_t: Shape, use_relu: bool = True, small: bool = False) -> Functional:
    """FitNet's regressor (ICLR 2015, as in RepDistiller): [B, *shape_s] -> [B, *shape_t].

    Raises UserError where the student's map is smaller and not half as high, unless `small`: then, as in distillers, a
    3x3 convolution keeps the student's size and the caller pools the teacher's map to it.
    """
    if small and shape_s[0] < shape_t[0] and 2 * shape_s[0] != shape_t[0]:
        return Functional(lambda rngs: SmallConvReg(shape_s[2], shape_t[2], use_relu, rngs=rngs))
    return Functional(lambda rngs: ConvReg(shape_s, shape_t, use_relu, rngs=rngs))


def connector(shapes_s: tuple[Shape, ...], shapes_t: tuple[Shape, ...]) -> Functional:
    """AB's connector (AAAI 2019): a tuple of student maps -> maps of the teacher's shapes. May have no parameters."""
    return Functional(lambda rngs: Connector(tuple(shapes_s), tuple(shapes_t), rngs=rngs))


def paraphraser(shape_t: Shape, k: float = 0.5, use_bn: bool = False) -> Functional:
    """FT's teacher auto-encoder (NeurIPS 2018): x -> (factor [B, H, W, int(C k)], reconstruction).

    With method="encode" only the factor.
    """
    return Functional(lambda rngs: Paraphraser(shape_t[2], k, use_bn, rngs=rngs))


def translator(shape_s: Shape, shape_t: Shape, k: float = 0.5, use_bn: bool = True) -> Functional:
    """FT's student encoder (NeurIPS 2018): [B, H, W, C_s] -> factor [B, H, W, int(C_t k)]."""
    return Functional(lambda rngs: Translator(shape_s[2], shape_t[2], k, use_bn, rngs=rngs))


def vid_regressor(shape_s: Shape, shape_t: Shape, init_var: float = 5.0, eps: float = 1e-5) -> Functional:
    """RepDistiller's VID (CVPR 2019): f_s -> (mean [B, h, h, C_t], log_scale [C_t]), h the smaller height."""
    return Functional(lambda rngs: VIDRegressor(shape_s, shape_t, init_var, eps, rngs=rngs))


def vid_seed_regressor(shape_s: Shape, shape_t: Shape, init_rho: float = math.log1p(math.exp(5.0))) -> Functional:
    """The authors' own VID: f_s -> (mean [B, H, W, C_t], rho [C_t]), variance = softplus(rho) with no eps.

    rho starts at softplus(5) = 5.0067, where its inverse was surely meant (spec/vid_seed.md).
    """
    return Functional(lambda rngs: VIDSeedRegressor(shape_s[2], shape_t[2], init_rho, rngs=rngs))


def ickd_embed(channels_s: int, channels_t: int) -> Functional:
    """ICKD's student embedding (ICCV 2021): [B, H, W, C_s] -> [B, H, W, C_t]."""
    return Functional(lambda rngs: ICKDEmbed(channels_s, channels_t, rngs=rngs))


def srrl_transfer(dim_s: int, dim_t: int) -> Functional:
    """SRRL's transfer (ICLR 2021): [B, D_s] -> [B, D_t], before the teacher's classifier."""
    return Functional(lambda rngs: SRRLTransfer(dim_s, dim_t, rngs=rngs))


def simkd_projector(shape_s: Shape, shape_t: Shape, factor: int = 2) -> Functional:
    """SimKD's projector (CVPR 2022): [B, *shape_s] -> [B, h, h, C_t], the student's map pooled first if larger."""
    return Functional(lambda rngs: SimKDProjector(shape_s, shape_t, factor, rngs=rngs))
