"""The fastest exact form of a convolution by shape and backend: every form computes the same sums.

Measured on one core of a CPU with AVX-512 (jax 0.10.2, batch 64, float32, milliseconds; the first two of "here" with
YNNPACK's convolutions switched off, which is what `_kernel_gradient` brings about); a GPU uses XLA's own forms:

    kernel's gradient of 3x3, 16x16, 64 -> 64          XLA  32     here  9
    kernel's gradient of 1x1, 16x16, 64 -> 256         XLA  46     here  6
    depthwise 3x3, 16x16, 96: all three                XLA 135     here 27
    1x1 in 3 groups, 16x16, 240 -> 60: all three       XLA 192     here 14
"""
import contextlib
import contextvars
import functools
from collections.abc import Iterator

import jax
import jax.numpy as jnp
from jax import lax

PLAIN = contextvars.ContextVar("plain convolutions", default=False)


@contextlib.contextmanager
def plain() -> Iterator[None]:
    """Every convolution traced inside is XLA's own, on a CPU too: to count its products, or to compare with it."""
    token = PLAIN.set(True)
    try:
        yield
    finally:
        PLAIN.reset(token)


def convolve(x: jax.Array, kernel: jax.Array, stride: int = 1, padding: int = 0, groups: int = 1) -> jax.Array:
    """torch's Conv2d: [B, H, W, in], kernel [kh, kw, in / groups, out] -> [B, H', W', out]; zeros around the image."""
    if PLAIN.get() or jax.default_backend() != "cpu":
        return _plain(x, kernel, stride, padding, groups)
    if groups == x.shape[-1] == kernel.shape[-1]:
        return _depthwise(x, kernel, stride, padding)
    if kernel.shape[:2] == (1, 1) and padding == 0 and stride > 1:
        x, stride = x[:, ::stride, ::stride], 1
    return _convolve(x, kernel, stride, padding, groups)


def _plain(x, kernel, stride, padding, groups):
    return lax.conv_general_dilated(x, kernel, (stride,) * 2, ((padding,) * 2,) * 2, feature_group_count=groups,
                                    dimension_numbers=("NHWC", "HWIO", "NHWC"))


_convolve = jax.custom_vjp(_plain, nondiff_argnums=(2, 3, 4))


def _forward(x, kernel, stride, padding, groups):
    return _plain(x, kernel, stride, padding, groups), (x, kernel)


def _backward(stride, padding, groups, saved, g):
    x, kernel = saved
    rule = functools.partial(_plain, stride=stride, padding=padding, groups=groups)
    by_input, = jax.linear_transpose(lambda x: rule(x, kernel), x)(g)
    if groups == 1:
        return by_input, _kernel_gradient(x, g, kernel.shape, stride, padding)
    if kernel.shape[:2] == (1, 1) and (stride, padding) == (1, 0):
        return by_input, _pointwise_kernel_gradient(x, g, kernel.shape, groups)
    return by_input, jax.linear_transpose(lambda kernel: rule(x, kernel), kernel)(g)[0]


_convolve.defvjp(_forward, _backward)


def _kernel_gradient(x, g, shape, stride, padding):
    """The images convolved with their gradients, batch and channels in each other's place.

    Columns carry a dilation of 2 in images, window and stride alike, which changes no sum: it keeps XLA from handing
    the convolution to its YNNPACK, which takes windows as large as the image 2 to 7 times slower than Eigen does.
    """
    high = [size - 1 + (out - 1) * stride + 1 - wide - padding
            for size, out, wide in zip(shape[:2], g.shape[1:3], x.shape[1:3])]
    return lax.conv_general_dilated(x, g, (1, 2), ((padding, high[0]), (2 * padding, 2 * high[1])),
                                    lhs_dilation=(1, 2), rhs_dilation=(stride, 2 * stride),
                                    dimension_numbers=("CHWN", "IHWO", "HWNC"))


def _pointwise_kernel_gradient(x, g, shape, groups):
    """One matrix product a group."""
    x, g = (a.reshape(-1, groups, a.shape[-1] // groups) for a in (x, g))
    return jnp.einsum("ngi,ngo->igo", x, g).reshape(shape)


def _depthwise(x, kernel, stride, padding):
    """A sum over the kernel's places, each a shifted image times a number a channel: XLA fuses it and its gradients."""
    x = jnp.pad(x, ((0, 0), (padding,) * 2, (padding,) * 2, (0, 0)))
    last = [(wide - size) // stride * stride + 1 for wide, size in zip(x.shape[1:3], kernel.shape[:2])]
    at = lambda i, j: lax.slice(x, (0, i, j, 0), (x.shape[0], i + last[0], j + last[1], x.shape[3]),
                                (1, stride, stride, 1))
    return sum(at(i, j) * kernel[i, j, 0] for i in range(kernel.shape[0]) for j in range(kernel.shape[1]))
