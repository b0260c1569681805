"""Losses on a batch of predictions, and how logits are sharpened, worked by hand."""
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kdjax import losses

S = jnp.array([[2.0, 0.0, -1.0], [0.5, 1.5, 0.0], [-1.0, 0.3, 0.9], [0.0, 0.0, 2.0]])
T = jnp.array([[1.0, 0.5, -2.0], [0.0, 2.5, 0.5], [0.0, -0.3, 1.9], [1.0, -1.0, 1.0]])


def test_dist_is_one_minus_the_correlation_of_probabilities_both_ways():
    p, q = (np.asarray(jax.nn.softmax(x / 2)) for x in (S, T))
    rows = np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(p, q)])
    columns = np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(p.T, q.T)])
    got = losses.dist(S, T, beta=3, gamma=5, temperature=2)
    np.testing.assert_allclose(got, 4 * (3 * (1 - rows) + 5 * (1 - columns)), rtol=1e-5)


def test_dist_of_a_single_sample_has_no_correlation_within_classes():
    np.testing.assert_allclose(losses.dist(S[:1], S[:1], gamma=2.0, temperature=4.0), 16 * 2, rtol=1e-4)


def test_mlkd_scales_by_the_shares_of_confident_samples_and_classes():
    kd, cc, bc = losses.mlkd(S, T, S, T, temperature=4.0)
    kl = lambda t: losses.kl_divergence(S, T, temperature=t)
    every = sum(kl(t) for t in (4.0, 3.0, 5.0, 2.0, 6.0))
    p = np.asarray(jax.nn.softmax(T))
    m = np.mean(p.max(1) <= np.median(p.max(1)))
    assert m == 0.5
    np.testing.assert_allclose(kd, (m + 1) * every, rtol=1e-5)  # equal views: the strong terms are the weak ones
    gram = lambda x, t: np.asarray(jax.nn.softmax(x / t)).T @ np.asarray(jax.nn.softmax(x / t))
    mc = np.mean(p.sum(0) <= np.median(p.sum(0)))
    want = mc * sum(((gram(T, t) - gram(S, t)) ** 2).sum() for t in (4, 3, 5, 2, 6)) / 3
    np.testing.assert_allclose(cc, want, rtol=1e-4)
    assert float(bc) > 0


def test_mlkds_strong_view_reaches_the_instance_level_only():
    parts = lambda strong: jnp.stack(losses.mlkd(S, T, strong, T))
    grads = jax.jacrev(parts)(S + 0.3 * T)
    assert np.abs(grads[0]).max() > 0
    assert np.abs(grads[1:]).max() == 0


def test_mlkds_masks_are_one_where_all_teachers_predictions_tie():
    kd, _, _ = losses.mlkd(S, jnp.zeros_like(T), S, jnp.zeros_like(T), temperature=3.0)
    kl = lambda t: losses.kl_divergence(S, jnp.zeros_like(T), temperature=t)
    np.testing.assert_allclose(kd, 4 * kl(3.0) + 2 * kl(5.0) + 2 * kl(2.0) + 2 * kl(6.0), rtol=1e-5)


def test_standardised_logits_do_not_know_scale_and_shift():
    z = losses.standardize_logits(S)
    np.testing.assert_allclose(z, losses.standardize_logits(7 * S - 3), atol=1e-5)
    np.testing.assert_allclose(np.std(z, axis=1, ddof=1), 1.0, rtol=1e-5)
    np.testing.assert_allclose(losses.standardize_logits(jnp.array([[9.0, 1.0]])), [[math.sqrt(0.5), -math.sqrt(0.5)]],
                               rtol=1e-5)


def test_a_flat_row_is_standardised_to_zero_with_a_finite_gradient():
    flat = jnp.full((1, 4), 3.0)
    value, grad = jax.value_and_grad(lambda x: jnp.sum(losses.standardize_logits(x) ** 2))(flat)
    assert value == 0
    assert np.isfinite(grad).all()


def test_scaled_gradients_leave_the_value_alone_and_the_scale_without_one():
    f = lambda x, scale: jnp.sum(losses.scale_gradient(x, scale) ** 2)
    x = jnp.array([1.0, -2.0])
    value, (of_x, of_scale) = jax.value_and_grad(f, (0, 1))(x, jnp.float32(-0.5))
    assert value == 5
    np.testing.assert_allclose(of_x, -x)
    assert of_scale == 0


def test_the_learned_temperature_ascends_the_loss_once_its_schedule_is_negative():
    loss = lambda p, epoch: losses.kl_divergence(S, T, temperature=losses.ctkd_temperature(p, losses.ctkd_scale(epoch)))
    plain = jax.grad(lambda p: losses.kl_divergence(S, T, temperature=1 + 20 * jax.nn.sigmoid(p)))(1.0)
    for epoch, scale in ((0, 0.0), (5, -0.5), (10, -1.0), (240, -1.0)):
        np.testing.assert_allclose(jax.grad(loss)(1.0, epoch), scale * plain, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(losses.ctkd_temperature(jnp.ones(()), 0.0), 15.6212, rtol=1e-5)


def test_the_schedule_is_the_same_for_a_number_and_inside_a_compiled_step():
    assert isinstance(losses.ctkd_scale(3), float)
    inside = jax.jit(losses.ctkd_scale)(jnp.arange(0.0, 14.0))
    np.testing.assert_allclose(inside, [losses.ctkd_scale(e) for e in range(14)], atol=1e-6)


@pytest.mark.parametrize("loss", [losses.ttm, losses.wttm])
def test_ttm_with_power_one_is_the_plain_kl_at_temperature_one(loss):
    np.testing.assert_allclose(loss(S, T, power=1.0), losses.kl_divergence(S, T, temperature=1.0), rtol=1e-5)


def test_wttm_weighs_a_sample_by_the_sum_of_its_teachers_powers():
    rows = [float(losses.ttm(S[i:i + 1], T[i:i + 1], power=0.3)) for i in range(4)]
    n = (np.asarray(jax.nn.softmax(T)) ** 0.3).sum(1)
    np.testing.assert_allclose(losses.wttm(S, T, power=0.3), np.mean(n * rows), rtol=1e-5)
    np.testing.assert_allclose(losses.ttm(S, T, power=0.3), np.mean(rows), rtol=1e-5)


def test_nkd_of_flat_nets_is_a_sum_of_entropies():
    zeros, labels = jnp.zeros((2, 4)), jnp.array([1, 3])
    expected = 0.25 * math.log(4) + 3.5 * 9 * math.log(3)
    np.testing.assert_allclose(losses.nkd(zeros, zeros, labels, gamma=3.5, temperature=3.0), expected, rtol=1e-5)


def test_nkds_label_share_is_a_constant_of_the_teacher():
    labels = jnp.array([0, 1, 2, 0])
    grad = jax.grad(lambda t: losses.nkd(S, t, labels, gamma=0.0))(T)
    assert np.abs(grad).max() == 0


def test_rld_compares_the_teachers_best_with_the_students_label_and_masks_what_ranks_above():
    student, labels = jnp.zeros((1, 3)), jnp.array([1])
    teacher = jnp.array([[math.log(6), math.log(3), 0.0]])  # 0.6, 0.3, 0.1; classes 0 and 1 are masked
    confidence = 0.6 * math.log(0.6 * 3) + 0.4 * math.log(0.4 * 1.5)
    np.testing.assert_allclose(losses.rld(student, teacher, labels, alpha=2.0), 2 * confidence, rtol=1e-5)
    worst = jnp.array([2])
    value, grad = jax.value_and_grad(lambda s: losses.rld(s, teacher, worst, alpha=0.0))(student)
    assert value == 0
    assert np.abs(grad).max() == 0  # nothing ranks below the label


@pytest.mark.parametrize("loss", [losses.nkd, losses.rld])
def test_labelled_losses_are_finite_for_certain_nets(loss):
    hard, soft, labels = jnp.array([[1e4, 0.0, -1e4]]), jnp.zeros((1, 3)), jnp.array([2])
    for s, t in ((hard, soft), (soft, hard), (hard, hard)):
        value, grads = jax.jit(jax.value_and_grad(loss, (0, 1)))(s, t, labels)
        assert np.isfinite(value)
        assert np.isfinite(grads).all()
