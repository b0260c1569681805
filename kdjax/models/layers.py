"""The layers of the originals, in PyTorch's arithmetic: NHWC maps, HWIO kernels, explicit padding, torch's batch norm.

Compute follows the input's dtype (bfloat16 images give bfloat16 convolutions); batch norm computes in at least float32.
Parameters are born in JAX's default float: float32, or float64 under `jax_enable_x64`.
"""
import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import lax

from kdjax.errors import UserError
from kdjax.models.convolution import convolve
from kdjax.models.normalization import normalize

Between = Callable[[int, jax.Array], jax.Array]  # (depth, x) -> x: what becomes of the map after group `depth`


class Initialiser(NamedTuple):
    """`kernel(key, kernel_shape)` and `bias(key, kernel_shape)`; kernels are (kh, kw, in/groups, out) or (in, out)."""
    kernel: Callable[[jax.Array, tuple[int, ...]], jax.Array]
    bias: Callable[[jax.Array, tuple[int, ...]], jax.Array]


def _sample(sampler: Callable, key: jax.Array, shape: tuple[int, ...]):
    """Draws of any shape from a handful of compiled sizes: to compile one sampler a shape takes seconds a network."""
    n = math.prod(shape)
    flat = sampler(key, (4 ** max(5, math.ceil(math.log(n, 4))),))
    flat = flat if isinstance(flat, jax.core.Tracer) else np.asarray(flat)
    return flat[:n].reshape(shape)


def _normal(std: Callable[[tuple[int, ...]], float]):
    return lambda key, shape: jax.device_put(std(shape) * _sample(jax.random.normal, key, shape))


def _uniform(fan: Callable[[tuple[int, ...]], float], whole: bool):
    """Uniform in +-1/sqrt(fan), for the whole kernel or for its bias."""
    def draw(key, shape):
        unit = 2 * _sample(jax.random.uniform, key, shape if whole else shape[-1:]) - 1
        return jax.device_put(fan(shape) ** -0.5 * unit)
    return draw


def constant(value: float, *shape: int) -> jax.Array:
    """An array of JAX's default float, made without compiling anything."""
    return jax.device_put(np.full(shape, value, jnp.result_type(float)))


def _fan_in(shape) -> int:
    return math.prod(shape[:-1])


def _fan_out(shape) -> int:
    return math.prod(shape[:-2]) * shape[-1]


def _zeros(key, shape) -> jax.Array:
    return constant(0.0, shape[-1])


TORCH = Initialiser(_uniform(_fan_in, True), _uniform(_fan_in, False))         # torch's own default: T-conv, T-lin
TORCH_TRANSPOSED = Initialiser(_uniform(_fan_out, True), _uniform(_fan_out, False))    # T-convT: torch's "fan in"
TORCH_ZERO_BIAS = Initialiser(TORCH.kernel, _zeros)
KAIMING_FAN_OUT = Initialiser(_normal(lambda shape: (2 / _fan_out(shape)) ** 0.5), _zeros)                      # KN-out
KAIMING_FAN_IN = Initialiser(_normal(lambda shape: (2 / _fan_in(shape)) ** 0.5), TORCH.bias)
KAIMING_UNIFORM = Initialiser(_uniform(lambda shape: _fan_in(shape) / 3, True), _zeros)      # a = 1: sqrt(3 / fan in)
NORMAL_001 = Initialiser(_normal(lambda shape: 0.01), _zeros)


class Conv(nnx.Module):
    """2-D convolution with explicit symmetric padding (default: size // 2), [B, H, W, in] -> [B, H', W', out]."""
    kind = "conv"

    def __init__(self, inputs: int, outputs: int, size: int | tuple[int, int], stride: int = 1,
                 padding: int | None = None, groups: int = 1, bias: bool = False, init: Initialiser = KAIMING_FAN_OUT,
                 *, rngs: nnx.Rngs):
        size = (size, size) if isinstance(size, int) else tuple(size)
        shape = (*size, inputs // groups, outputs)
        self.kernel = nnx.Param(init.kernel(rngs.params(), shape))
        self.bias = nnx.Param(init.bias(rngs.params(), shape)) if bias else None
        self.stride, self.groups = stride, groups
        self.padding = size[0] // 2 if padding is None else padding

    def __call__(self, x: jax.Array) -> jax.Array:
        y = convolve(x, self.kernel[...].astype(x.dtype), self.stride, self.padding, self.groups)
        return y if self.bias is None else y + self.bias[...].astype(x.dtype)


class ConvTranspose(nnx.Module):
    """torch's ConvTranspose2d: the dilated input, padded by size-1-p, with the kernel stored flipped, HWIO."""
    kind = "conv_transpose"

    def __init__(self, inputs: int, outputs: int, size: int, stride: int = 1, padding: int = 0,
                 init: Initialiser = TORCH_TRANSPOSED, *, rngs: nnx.Rngs):
        shape = (size, size, inputs, outputs)
        self.kernel = nnx.Param(init.kernel(rngs.params(), shape))
        self.bias = nnx.Param(init.bias(rngs.params(), shape))
        self.stride, self.padding = stride, size - 1 - padding

    def __call__(self, x: jax.Array) -> jax.Array:
        y = lax.conv_general_dilated(x, self.kernel[...].astype(x.dtype), (1, 1), ((self.padding,) * 2,) * 2,
                                     lhs_dilation=(self.stride,) * 2, dimension_numbers=("NHWC", "HWIO", "NHWC"))
        return y + self.bias[...].astype(x.dtype)


class Linear(nnx.Module):
    """[..., in] -> [..., out], with bias."""
    kind = "linear"

    def __init__(self, inputs: int, outputs: int, init: Initialiser = TORCH, *, rngs: nnx.Rngs):
        self.kernel = nnx.Param(init.kernel(rngs.params(), (inputs, outputs)))
        self.bias = nnx.Param(init.bias(rngs.params(), (inputs, outputs)))

    def __call__(self, x: jax.Array) -> jax.Array:
        return x @ self.kernel[...].astype(x.dtype) + self.bias[...].astype(x.dtype)


class BatchNorm(nnx.Module):
    """torch's BatchNorm over all axes but the last: momentum 0.1 in torch's sense, the running variance unbiased.

    In training it normalises with the biased variance mean((x-mean)**2) of the batch and updates the running
    statistics; one value per channel raises UserError, as torch raises. In evaluation it uses the running statistics.
    groups: so many equal parts of the batch, one after another, each with its own statistics, as data-parallel workers
    have them; the running ones are the first part's, as those of DistributedDataParallel are.
    """
    kind = "bn"

    def __init__(self, channels: int, epsilon: float = 1e-5, momentum: float = 0.1, affine: bool = True):
        self.scale = nnx.Param(constant(1.0, channels)) if affine else None
        self.bias = nnx.Param(constant(0.0, channels)) if affine else None
        self.mean = nnx.BatchStat(constant(0.0, channels))
        self.var = nnx.BatchStat(constant(1.0, channels))
        self.epsilon, self.momentum, self.use_running_average, self.groups = epsilon, momentum, True, 1

    def __call__(self, x: jax.Array) -> jax.Array:
        return self._by_running_statistics(x) if self.use_running_average else self._by_batch_statistics(x)

    def _by_running_statistics(self, x: jax.Array) -> jax.Array:
        dtype, x = x.dtype, x.astype(jnp.promote_types(x.dtype, jnp.float32))
        y = (x - self.mean[...].astype(x.dtype)) * lax.rsqrt(self.var[...].astype(x.dtype) + self.epsilon)
        if self.scale is not None:
            y = y * self.scale[...].astype(x.dtype) + self.bias[...].astype(x.dtype)
        return y.astype(dtype)

    def _by_batch_statistics(self, x: jax.Array) -> jax.Array:
        """Each of `groups` equal parts of the batch by its own statistics; the first one's are tracked, as those of the
        first of several data-parallel workers are kept."""
        if len(x) % self.groups:
            raise UserError(f"a batch of {len(x)} does not divide into {self.groups} groups of batch norm")
        n = x.size // x.shape[-1] // self.groups
        if n == 1:
            raise UserError("batch norm in training needs more than one value per channel: use a larger batch")
        affine = (None, None) if self.scale is None else (self.scale[...], self.bias[...])
        made = [normalize(part, *affine, self.epsilon) for part in jnp.split(x, self.groups)]
        self._track(self.mean, made[0][1])
        self._track(self.var, made[0][2] * (n / (n - 1)))
        return made[0][0] if self.groups == 1 else jnp.concatenate([y for y, _, _ in made])

    def _track(self, running: nnx.BatchStat, batch: jax.Array) -> None:
        old = running[...]
        new = (1 - self.momentum) * old + self.momentum * lax.stop_gradient(batch).astype(old.dtype)
        running.set_raw_value(new)      # `running[...] = new` asks a tracer for its sharding: quadratic in depth


class Sequence(nnx.Module):
    """torch's Sequential: children named "0", "1", ...; functions and None take a number but hold no parameters."""

    def __init__(self, *layers: Callable | None):
        for i, layer in enumerate(layers):
            setattr(self, str(i), layer)
        self.length = len(layers)

    def __iter__(self):
        return (getattr(self, str(i)) for i in range(self.length))

    def __len__(self) -> int:
        return self.length

    def __call__(self, x: jax.Array) -> jax.Array:
        for layer in self:
            x = x if layer is None else layer(x)
        return x


def keep(depth: int, x: jax.Array) -> jax.Array:
    """x: the `between` of a network whose hidden maps nobody changes."""
    return x


def relu(x: jax.Array) -> jax.Array:
    """max(x, 0), with torch's gradient: zero at zero."""
    return jax.nn.relu(x)


@jax.custom_jvp
def relu_once(x: jax.Array) -> jax.Array:
    """`relu`, written as a selection: for what a residual sum has gone into.

    max(x, 0) is cheap in the eyes of XLA, which on a CPU repeats it in each of its readers, and with it the sum that x
    is and the sums before: the n-th block of a stage adds n maps, transposed for the kernel's gradient too. A selection
    reads two maps and is therefore computed once.
    """
    return jnp.where(x <= 0, jnp.zeros_like(x), x)


@relu_once.defjvp
def _relu_once_jvp(primals, tangents):
    (x,), (t,) = primals, tangents
    return relu_once(x), jnp.where(x > 0, t, jnp.zeros_like(t))


def leaky_relu(x: jax.Array) -> jax.Array:
    """LeakyReLU with the slope 0.1 of the factor-transfer adapters; gradient 0.1 at zero, as torch."""
    return jnp.where(x > 0, x, 0.1 * x)


def global_average_pool(x: jax.Array) -> jax.Array:
    """[B, H, W, C] -> [B, C]."""
    return x.mean((1, 2))


def max_pool(x: jax.Array) -> jax.Array:
    """2x2 max-pool with stride 2, [B, H, W, C] -> [B, H//2, W//2, C]; a last odd row or column is dropped.

    The gradient goes to the first maximum of each window in row-major order, and NaN passes through, as in torch. Built
    from selections instead of XLA's reduce-window, whose backward pass is a scatter: deterministic, and fused on every
    device.
    """
    x = x[:, :x.shape[1] // 2 * 2, :x.shape[2] // 2 * 2]
    windows = x.reshape(x.shape[0], x.shape[1] // 2, 2, x.shape[2] // 2, 2, x.shape[3])
    top = _first_larger(windows[:, :, 0, :, 0], windows[:, :, 0, :, 1])
    return _first_larger(top, _first_larger(windows[:, :, 1, :, 0], windows[:, :, 1, :, 1]))


def max_pool_3x3(x: jax.Array) -> jax.Array:
    """3x3 max-pool with stride 2 and padding 1 (of -inf), [B, H, W, C] -> [B, ceil(H/2), ceil(W/2), C], gradients as in
    `max_pool`."""
    _, h, w, _ = x.shape
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=-jnp.inf)
    shifted = [padded[:, i:i + h:2, j:j + w:2] for i in range(3) for j in range(3)]
    return functools.reduce(_first_larger, shifted)


def _first_larger(a: jax.Array, b: jax.Array) -> jax.Array:
    return jnp.where((b > a) | jnp.isnan(b), b, a)


def channel_shuffle(x: jax.Array, groups: int) -> jax.Array:
    """[B, H, W, C]: output channel j*groups + q is input channel q*(C/groups) + j (ShuffleNet)."""
    parts = x.reshape(*x.shape[:-1], groups, x.shape[-1] // groups)
    return jnp.swapaxes(parts, -1, -2).reshape(x.shape)
