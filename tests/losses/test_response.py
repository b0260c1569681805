"""Logit losses by hand, and where probabilities underflow."""
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kdjax import losses


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_kl_divergence_is_the_textbook_sum_times_t_squared(temperature):
    teacher = jnp.array([[temperature * math.log(3), 0.0]])  # softened: 3/4, 1/4
    expected = temperature**2 * (0.75 * math.log(1.5) + 0.25 * math.log(0.5))
    got = losses.kl_divergence(jnp.zeros((1, 2)), teacher, temperature=temperature)
    np.testing.assert_allclose(got, expected, rtol=1e-6)


def test_kl_divergence_of_equals_is_zero():
    logits = jnp.array([[1.0, -2.0, 30.0]])
    np.testing.assert_allclose(losses.kl_divergence(logits, logits), 0, atol=1e-6)


def test_kl_divergence_is_finite_in_both_arguments_where_the_target_underflows():
    hard, soft = jnp.array([[1e5, 0.0, -1e5]]), jnp.zeros((1, 3))
    for s, t in ((hard, soft), (soft, hard), (hard, hard)):
        value, grads = jax.jit(jax.value_and_grad(losses.kl_divergence, (0, 1)))(s, t)
        assert np.isfinite(value)
        assert np.isfinite(grads).all()


def test_dkd_splits_into_target_and_non_target():
    t = 4.0
    student, labels = jnp.zeros((1, 3)), jnp.array([0])
    teacher = jnp.array([[t * math.log(2), 0.0, 0.0]])  # 1/2, 1/4, 1/4: the rest is as flat as the student's
    target = 0.5 * math.log(0.5 * 3) + 0.5 * math.log(0.5 * 1.5)
    np.testing.assert_allclose(losses.dkd(student, teacher, labels, alpha=3, beta=8), 3 * t**2 * target, rtol=1e-5)
    teacher = jnp.array([[0.0, t * math.log(3), 0.0]])  # 1/5, 3/5, 1/5; among the others 3/4, 1/4
    target = 0.2 * math.log(0.2 * 3) + 0.8 * math.log(0.8 * 1.5)
    others = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    np.testing.assert_allclose(losses.dkd(student, teacher, labels), t**2 * (target + 8 * others), rtol=1e-5)


@pytest.mark.parametrize("label", [0, 1])
def test_dkd_is_finite_for_a_student_certain_beyond_underflow(label):
    student, teacher, labels = jnp.array([[1e4, 0.0, -1e4]]), jnp.zeros((1, 3)), jnp.array([label])
    value, grads = jax.jit(jax.value_and_grad(losses.dkd, (0, 1)))(student, teacher, labels)
    assert np.isfinite(value)
    assert np.isfinite(grads).all()


def test_wsld_of_flat_nets_is_a_multiple_of_the_entropy():
    zeros, labels = jnp.zeros((2, 4)), jnp.array([1, 3])
    weight = 1 - math.exp(-1)  # both nets know nothing: the ratio of their cross entropies is 1
    expected = math.log(4) * (1 + 2.5 * 2.0**2 * weight)
    np.testing.assert_allclose(losses.wsld(zeros, zeros, labels), expected, rtol=1e-5)


def test_wsld_smooths_its_hard_labels():
    student, labels = jnp.array([[math.log(2), 0.0, 0.0]]), jnp.array([0])  # 1/2, 1/4, 1/4
    expected = -(0.9 + 0.1 / 3) * math.log(0.5) - 2 * 0.1 / 3 * math.log(0.25)
    got = losses.wsld(student, student, labels, alpha=0.0, label_smoothing=0.1)
    np.testing.assert_allclose(got, expected, rtol=1e-6)


def test_wsld_weights_carry_no_gradient():
    student, teacher, labels = jnp.array([[0.3, -0.2]]), jnp.array([[0.5, 0.1]]), jnp.array([0])
    grad = jax.jit(jax.grad(losses.wsld))(student, teacher, labels)
    p, q_s, q_t = (np.asarray(jax.nn.softmax(x)) for x in (student, student / 2, teacher / 2))
    weight = 1 - np.exp(np.log(p[0, 0]) / (1e-7 - np.log(np.asarray(jax.nn.softmax(teacher))[0, 0])))
    np.testing.assert_allclose(grad, p - [[1, 0]] + 2.5 * 2 * weight * (q_s - q_t), rtol=1e-4)
