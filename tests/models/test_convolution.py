"""Every form of a convolution computes XLA's plain one and its gradients, in float64."""
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from kdjax.models import convolution

CASES = {  # height, width, in, out, kernel, stride, padding, groups
    "dense": (6, 6, 4, 5, (3, 3), 1, 1, 1),
    "dense, stride 2": (8, 8, 4, 5, (3, 3), 2, 1, 1),
    "a last row that no window reaches": (8, 7, 3, 2, (3, 2), 2, 0, 1),
    "a window larger than its padding": (5, 6, 2, 3, (5, 5), 1, 2, 1),
    "stride 3": (10, 9, 2, 3, (3, 3), 3, 1, 1),
    "1x1": (4, 4, 6, 4, (1, 1), 1, 0, 1),
    "1x1, stride 2": (5, 5, 6, 4, (1, 1), 2, 0, 1),
    "1x1, padded": (4, 4, 3, 4, (1, 1), 2, 1, 1),
    "1x1 in groups": (4, 4, 6, 9, (1, 1), 1, 0, 3),
    "1x1 in groups, stride 2": (4, 4, 6, 9, (1, 1), 2, 0, 3),
    "3x3 in groups": (6, 6, 4, 6, (3, 3), 1, 1, 2),
    "depthwise": (6, 6, 4, 4, (3, 3), 1, 1, 4),
    "depthwise, stride 2": (7, 6, 4, 4, (3, 3), 2, 1, 4),
    "depthwise, two outputs a channel": (6, 6, 4, 8, (3, 3), 1, 1, 4),
    "an image of one pixel": (1, 1, 4, 5, (3, 3), 1, 1, 1),
}


def plain(x, kernel, stride, padding, groups):
    return lax.conv_general_dilated(x, kernel, (stride,) * 2, ((padding,) * 2,) * 2, feature_group_count=groups,
                                    dimension_numbers=("NHWC", "HWIO", "NHWC"))


@pytest.mark.parametrize("case", CASES)
def test_a_convolution_and_both_gradients_are_the_plain_ones(case):
    height, width, inputs, outputs, size, stride, padding, groups = CASES[case]
    r = np.random.default_rng(0)
    with jax.enable_x64(True):
        x, kernel = (jnp.asarray(r.normal(size=shape)) for shape in
                     ((3, height, width, inputs), (*size, inputs // groups, outputs)))

        def both(form):
            y, pull = jax.vjp(lambda x, k: form(x, k, stride, padding, groups), x, kernel)
            return y, *pull(jnp.cos(jnp.arange(y.size, dtype=y.dtype)).reshape(y.shape))

        for ours, theirs in zip(jax.jit(lambda: both(convolution.convolve))(), jax.jit(lambda: both(plain))()):
            assert ours.dtype == jnp.float64
            np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


def test_other_backends_use_the_plain_form(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    monkeypatch.setattr(convolution, "_convolve", None)
    monkeypatch.setattr(convolution, "_depthwise", None)
    assert convolution.convolve(jnp.ones((1, 4, 4, 2)), jnp.ones((3, 3, 1, 2)), 1, 1, 2).shape == (1, 4, 4, 2)
