"""Losses from information theory, worked by hand, and dead units."""
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kdjax import losses


def test_vid_is_a_gaussian_likelihood_without_two_pi():
    log_scale = jnp.full((1,), math.log(math.exp(5 - 1e-5) - 1))  # the original's start: variance 5
    mean, target = jnp.full((1, 1, 1, 1), 3.0), jnp.full((1, 1, 1, 1), 1.0)
    np.testing.assert_allclose(losses.vid(mean, log_scale, target), 0.5 * (4 / 5 + math.log(5)), rtol=1e-5)


@pytest.mark.parametrize("log_scale", [-200.0, 200.0])
def test_vid_is_finite_for_extreme_scales(log_scale):
    maps = jnp.ones((1, 2, 2, 1)), jnp.zeros((1, 4, 4, 1))
    value, grad = jax.jit(jax.value_and_grad(lambda s: losses.vid(maps[0], s, maps[1])))(jnp.full((1,), log_scale))
    assert np.isfinite(value)
    assert np.isfinite(grad).all()


def test_vid_refuses_a_student_larger_than_the_teacher():
    with pytest.raises(ValueError, match="vid"):
        losses.vid(jnp.ones((1, 2, 2, 1)), jnp.zeros(1), jnp.ones((1, 1, 1, 1)))


def test_pkt_is_the_mean_divergence_of_affinities():
    student, teacher = jnp.eye(2), jnp.ones((2, 2))  # affinity rows (2/3, 1/3), (1/3, 2/3) against (1/2, 1/2)
    expected = (0.5 * math.log(0.75) + 0.5 * math.log(1.5)) / 2
    np.testing.assert_allclose(losses.pkt(student, teacher), expected, rtol=1e-5)


def test_pkt_gives_a_zero_row_gradient_zero():
    student, teacher = jnp.array([[0.0, 0.0], [1.0, 2.0], [3.0, -1.0]]), jnp.array([[1.0], [2.0], [-1.0]])
    grad = jax.jit(jax.grad(losses.pkt))(student, teacher)
    np.testing.assert_array_equal(grad[0], 0)
    assert np.isfinite(grad).all()
    assert np.abs(grad[1:]).max() > 0


def test_itrd_correlation_tops_out_below_one():
    z = jnp.array([[1.0, 0.0], [2.0, 5.0], [3.0, 1.0]])
    # every c_j = (n - 1) / n = 2/3, so the sum is 2 * (1/9)^alpha
    np.testing.assert_allclose(losses.itrd_correlation(z, 7 * z + 1), math.log2(2 * 9**-1.5), rtol=1e-5)
    np.testing.assert_allclose(losses.itrd_correlation(z, -z, alpha=1.0), math.log2(2 * (5 / 3) ** 2), rtol=1e-5)


def test_itrd_correlation_survives_dead_units():
    z = jnp.array([[1.0, 0.0], [2.0, 5.0], [3.0, 1.0]])
    for s, t in ((z, z.at[:, 0].set(0)), (z.at[:, 0].set(0), z)):
        value, grad = jax.jit(jax.value_and_grad(losses.itrd_correlation))(s, t)
        np.testing.assert_allclose(value, math.log2(1 + 1 / 27), rtol=1e-4)
        assert np.isfinite(grad).all()


def test_itrd_mutual_is_the_difference_of_potentials():
    student, teacher = jnp.ones((2, 3)), jnp.eye(2)  # G_s all ones: potential 1; G_s * G_t = I: potential 1/2
    np.testing.assert_allclose(losses.itrd_mutual(student, teacher), 0.5, rtol=1e-5)


def test_itrd_mutual_survives_zero_samples():
    x = jnp.array([[1.0, 2.0], [0.5, -1.0], [2.0, 0.0]])
    for student in (x.at[0].set(0), jnp.zeros_like(x)):
        value, grad = jax.jit(jax.value_and_grad(losses.itrd_mutual))(student, x)
        assert np.isfinite(value)
        assert np.isfinite(grad).all()
