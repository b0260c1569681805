"""The spread of every initialiser: fan in or fan out, normal or uniform, and what becomes of the bias."""
import jax
import numpy as np
import pytest

from kdjax.models import layers

SHAPE = (3, 3, 32, 96)  # fan in 288, fan out 864
BIAS = (2, 2, 16, 5000)
UNIFORM = 3 ** -0.5  # the deviation of a uniform draw in +-1


@pytest.mark.parametrize(("name", "std", "normal"), [
    ("KAIMING_FAN_OUT", (2 / 864) ** 0.5, True), ("KAIMING_FAN_IN", (2 / 288) ** 0.5, True), ("NORMAL_001", 0.01, True),
    ("TORCH", UNIFORM * 288 ** -0.5, False), ("TORCH_ZERO_BIAS", UNIFORM * 288 ** -0.5, False),
    ("TORCH_TRANSPOSED", UNIFORM * 864 ** -0.5, False)])
def test_a_kernel_has_the_mean_the_deviation_and_the_tails_of_its_distribution(name, std, normal):
    kernel = np.asarray(getattr(layers, name).kernel(jax.random.key(0), SHAPE), np.float64)
    assert kernel.shape == SHAPE and abs(kernel.mean()) < 5 * std / kernel.size ** 0.5
    assert kernel.std() == pytest.approx(std, rel=0.02)
    assert (abs(kernel).max() > 3.5 * std) if normal else (abs(kernel).max() <= std / UNIFORM)


@pytest.mark.parametrize(("name", "fan"), [
    ("KAIMING_FAN_OUT", 0), ("NORMAL_001", 0), ("TORCH_ZERO_BIAS", 0), ("TORCH", 64), ("KAIMING_FAN_IN", 64),
    ("TORCH_TRANSPOSED", 20000)])
def test_a_bias_is_zero_or_uniform_within_the_root_of_its_fan(name, fan):
    bias = np.asarray(getattr(layers, name).bias(jax.random.key(0), BIAS))
    assert bias.shape == (5000,) and abs(bias).max() <= (fan ** -0.5 if fan else 0)
    assert not fan or bias.std() == pytest.approx(UNIFORM * fan ** -0.5, rel=0.05)


def test_two_keys_draw_apart_and_one_key_the_same():
    draw = lambda seed: np.asarray(layers.TORCH.kernel(jax.random.key(seed), SHAPE))
    np.testing.assert_array_equal(draw(1), draw(1))
    assert abs(np.corrcoef(draw(1).ravel(), draw(2).ravel())[0, 1]) < 0.02
