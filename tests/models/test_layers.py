"""The layers where JAX's own would differ from torch's."""
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from kdjax import models
from kdjax.errors import UserError
from kdjax.models import layers, resnet, shufflenet


def rngs():
    return nnx.Rngs(0)


def test_batch_norm_normalises_with_the_biased_and_tracks_the_unbiased_variance():
    bn = layers.BatchNorm(3)
    bn.train()
    x = np.random.default_rng(0).normal(2, 3, (2, 2, 2, 3)).astype(np.float32)
    y = bn(jnp.asarray(x))
    flat = x.reshape(-1, 3)
    np.testing.assert_allclose(y.reshape(-1, 3), (flat - flat.mean(0)) / np.sqrt(flat.var(0) + 1e-5), atol=1e-5)
    np.testing.assert_allclose(bn.mean[...], 0.1 * flat.mean(0), rtol=1e-5)
    np.testing.assert_allclose(bn.var[...], 0.9 + 0.1 * flat.var(0, ddof=1), rtol=1e-5)


def test_batch_norm_refuses_to_train_on_one_value_per_channel():
    bn = layers.BatchNorm(3)
    bn.train()
    with pytest.raises(UserError, match="larger batch"):
        bn(jnp.ones((1, 1, 1, 3)))


def test_batch_norm_of_bfloat16_keeps_float32_statistics():
    bn = layers.BatchNorm(2)
    bn.train()
    assert bn(jnp.ones((4, 2), jnp.bfloat16)).dtype == jnp.bfloat16
    assert bn.mean[...].dtype == jnp.float32


def test_stride_two_convolution_pads_both_sides():
    conv = layers.Conv(1, 1, 3, stride=2, rngs=rngs())
    conv.kernel[...] = jnp.ones((3, 3, 1, 1))
    y = conv(jnp.ones((1, 4, 4, 1)))[0, :, :, 0]
    np.testing.assert_array_equal(y, [[4, 6], [6, 9]])      # SAME would give [[9, 6], [6, 4]]


def test_max_pool_gives_the_gradient_to_the_first_maximum_as_torch_does():
    x = jnp.asarray([[1.0, 1.0, 0.0, 2.0], [1.0, 1.0, 2.0, 2.0]])[None, :, :, None]
    weights = jnp.asarray([3.0, 5.0])[:, None]
    value, grad = jax.value_and_grad(lambda x: (layers.max_pool(x) * weights).sum())(x)
    assert value == 3 * 1 + 5 * 2
    np.testing.assert_array_equal(grad[0, :, :, 0], [[3, 0, 0, 5], [0, 0, 0, 0]])


def test_max_pool_drops_an_odd_last_row_and_passes_nan_through():
    x = jnp.arange(9.0).reshape(1, 3, 3, 1)
    np.testing.assert_array_equal(layers.max_pool(x)[0, :, :, 0], [[4]])
    for i in range(4):
        x = jnp.zeros(4).at[i].set(jnp.nan).reshape(1, 2, 2, 1)
        assert jnp.isnan(layers.max_pool(x)).all()


def test_average_pool_of_shufflenet_counts_the_padding():
    y = shufflenet.average_pool_3x3(jnp.ones((1, 4, 4, 1)))[0, :, :, 0]
    np.testing.assert_allclose(y, np.array([[4, 6], [6, 9]]) / 9, rtol=1e-6)


def test_channel_shuffle_order():
    x = jnp.arange(6.0)[None, None, None]
    np.testing.assert_array_equal(layers.channel_shuffle(x, 2)[0, 0, 0], [0, 3, 1, 4, 2, 5])
    np.testing.assert_array_equal(layers.channel_shuffle(x, 3)[0, 0, 0], [0, 2, 4, 1, 3, 5])


def test_option_a_takes_every_second_pixel_and_pads_the_channels_evenly():
    x = jnp.arange(2 * 16.0).reshape(1, 4, 4, 2)
    y = resnet.subsample_and_pad(x, 4)
    assert y.shape == (1, 2, 2, 4)
    np.testing.assert_array_equal(y[..., 1:3], x[:, ::2, ::2])
    np.testing.assert_array_equal(y[..., [0, 3]], 0)


def test_leaky_relu_has_torchs_gradient_at_zero():
    assert jax.grad(layers.leaky_relu)(0.0) == pytest.approx(0.1)
    assert jax.grad(layers.relu)(0.0) == 0


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_relu_once_is_relu_with_its_gradient_and_shows_a_nan(dtype):
    x = jnp.asarray([-jnp.inf, -1.5, -0.0, 0.0, 1e-30, 2.0, jnp.inf, jnp.nan], dtype)
    for once, plain in ((layers.relu_once(x), layers.relu(x)),
                        (jax.grad(lambda x: jnp.nansum(3 * layers.relu_once(x)))(x),
                         jax.grad(lambda x: jnp.nansum(3 * layers.relu(x)))(x))):
        assert once.dtype == plain.dtype == dtype
        np.testing.assert_array_equal(np.asarray(once, np.float32), np.asarray(plain, np.float32))


def megabytes_of_blocks(n):
    """XLA's account of what the gradient of n residual blocks reads and writes."""
    graph, state = nnx.split(nnx.List([resnet.BasicBlock(8, 8, 1, layers.KAIMING_FAN_OUT, "B", rngs=rngs())
                                       for _ in range(n)]))
    def loss(state, x):
        for block in nnx.merge(graph, state):
            _, x = block(x)
        return jnp.sum(x * x)
    gradient = jax.jit(jax.grad(loss, allow_int=True))
    return gradient.lower(state, jnp.ones((8, 8, 8, 8))).compile().cost_analysis()["bytes accessed"] / 1e6


def test_a_residual_sum_is_computed_once_however_deep():
    """Else the n-th block adds up all n maps again, forwards and for the kernels' gradients."""
    two, four, six = map(megabytes_of_blocks, (2, 4, 6))
    assert six - four == pytest.approx(four - two, rel=0.01)


def normal_with(std):
    def check(value):
        value = np.asarray(value)
        assert abs(value.std() / std - 1) < 4 / np.sqrt(2 * value.size)
        assert abs(value.mean()) < 5 * std / np.sqrt(value.size)
        assert abs(value).max() > 2.5 * std         # not uniform, not truncated
    return check


def uniform_in(bound):
    def check(value):
        value = np.asarray(value)
        assert abs(value).max() <= bound
        assert abs(value.std() / (bound / np.sqrt(3)) - 1) < 5 / np.sqrt(2 * value.size)
    return check


def zero(value):
    assert not np.asarray(value).any()


INITIAL = {     # network: ((path of a leaf, what it must look like), ...): spec/models.md, 2.3
    "resnet8x4": ((("layer3", "0", "conv2", "kernel"), normal_with((2 / (9 * 256)) ** 0.5)),
                  (("fc", "kernel"), uniform_in(256 ** -0.5)), (("fc", "bias"), uniform_in(256 ** -0.5))),
    "wrn_10_2": ((("block3", "layer", "0", "conv1", "kernel"), normal_with((2 / (9 * 128)) ** 0.5)),
                 (("fc", "kernel"), uniform_in(128 ** -0.5)), (("fc", "bias"), zero)),
    "vgg8": ((("block2", "0", "kernel"), normal_with((2 / (9 * 256)) ** 0.5)), (("block2", "0", "bias"), zero),
             (("classifier", "kernel"), normal_with(0.01)), (("classifier", "bias"), zero)),
    "MobileNetV2_0_25": ((("blocks", "5", "1", "conv", "3", "kernel"), normal_with((2 / (9 * 240)) ** 0.5)),
                         (("classifier", "0", "kernel"), normal_with(0.01))),
    "ShuffleV1": ((("layer3", "1", "conv3", "kernel"), uniform_in((240 / 3) ** -0.5)),
                  (("linear", "kernel"), uniform_in(960 ** -0.5))),
    "resnet8a": ((("layer3", "0", "conv2", "kernel"), normal_with((2 / (9 * 64)) ** 0.5)),
                 (("linear", "kernel"), normal_with((2 / 64) ** 0.5)), (("linear", "bias"), uniform_in(64 ** -0.5))),
}


@pytest.mark.parametrize("name", INITIAL)
def test_initial_weights_have_the_originals_distributions(name):
    variables = models.build(name, num_classes=100).init(jax.random.key(1))
    for path, check in INITIAL[name]:
        value = variables["params"]
        for part in path:
            value = value[part]
        check(value)
    means = [v for p, v in jax.tree_util.tree_leaves_with_path(variables["batch_stats"]) if p[-1].key == "mean"]
    assert means
    assert not any(np.asarray(v).any() for v in means)


def test_transposed_convolutions_take_their_bound_from_the_output_channels():
    conv = layers.ConvTranspose(8, 32, 4, stride=2, padding=1, rngs=rngs())
    uniform_in((16 * 32) ** -0.5)(conv.kernel[...])
    uniform_in((16 * 32) ** -0.5)(conv.bias[...])
