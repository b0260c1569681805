"""Losses on levels, regions and class means, worked by hand on tiny maps."""
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kdjax import losses


def test_margins_are_means_of_the_negative_half_or_three_deviations_below():
    half = -math.sqrt(2 / math.pi)  # of a centred normal distribution
    np.testing.assert_allclose(losses.ofd_margin(jnp.array([1.0, -2.0, 1.0]), jnp.array([0.0, 0.0, 4.0])),
                               [half, 2 * half, -3.0], rtol=1e-5)
    assert np.isfinite(losses.ofd_margin(jnp.zeros(3), jnp.array([-1.0, 0.0, 1.0]))).all()


def test_ofd_forgives_a_student_below_a_negative_teacher_and_halves_earlier_stages():
    at = lambda x: jnp.full((1, 1, 1, 1), float(x))
    one = lambda s, t: losses.ofd([at(s)], [at(t)], [jnp.array([-1.0])])
    assert one(-3, -2) == 0  # below the margin
    assert one(0, -2) == 1  # overshoots the margin, not the teacher
    assert one(1, 3) == 4
    assert one(-5, 0) == 0  # a teacher of exactly 0 does not fire
    both = losses.ofd([at(1), at(1)], [at(3), at(4)], [jnp.array([-1.0])] * 2)
    assert both == 4 / 2 + 9


def test_ofd_brings_the_teachers_map_to_the_students_size_either_way():
    s = jnp.ones((1, 4, 4, 2))
    assert losses.ofd([s], [jnp.ones((1, 8, 8, 2))], [-jnp.ones(2)]) == 0
    assert losses.ofd([s], [jnp.ones((1, 2, 2, 2))], [-jnp.ones(2)]) == 0


def test_reviewkd_weighs_a_pyramid_by_halves():
    s, t = jnp.zeros((1, 8, 8, 1)), jnp.ones((1, 8, 8, 1))
    np.testing.assert_allclose(losses.reviewkd([s], [t]), 1.0)  # a constant difference: every level says 1
    checker = jnp.asarray((np.indices((8, 8)).sum(0) % 2 * 2 - 1.0)[None, :, :, None])
    np.testing.assert_allclose(losses.reviewkd([s], [checker]), 1 / 1.875, rtol=1e-6)  # gone once pooled
    np.testing.assert_allclose(losses.reviewkd([s, s[:, :1, :1]], [t, t[:, :1, :1]]), 2.0)


def test_reviewkd_wants_equal_shapes():
    with pytest.raises(ValueError, match="same shape"):
        losses.reviewkd([jnp.ones((1, 4, 4, 2))], [jnp.ones((1, 8, 8, 2))])


def test_cat_kd_normalised_knows_where_and_not_how_much():
    cam = jnp.asarray(np.random.default_rng(0).standard_normal((2, 4, 4, 3)), jnp.float32)
    np.testing.assert_allclose(losses.cat_kd(5 * cam, cam, resolution=2), 0, atol=1e-6)
    assert losses.cat_kd(5 * cam, cam, resolution=2, normalize=False) > 1e-3
    ones = jnp.ones((1, 2, 2, 1))
    np.testing.assert_allclose(losses.cat_kd(3 * ones, ones, resolution=2, normalize=False), 4.0)


def test_regions_are_the_whole_then_the_quarters_row_by_row():
    f = jnp.arange(16.0).reshape(1, 4, 4, 1)
    np.testing.assert_allclose(losses.multi_scale_pool(f, scales=(1, 2))[0, :, 0], [7.5, 2.5, 4.5, 10.5, 12.5])
    assert losses.multi_scale_pool(f).shape == (1, 21, 1)
    np.testing.assert_allclose(losses.multi_scale_pool(f)[0, 5:, 0], np.arange(16.0))


def test_a_region_that_contradicts_the_whole_counts_twice():
    whole, same, other = [2.0, 0.0], [1.0, 0.0], [0.0, 3.0]
    teacher, labels = jnp.array([[whole, same, other]]), jnp.array([0])
    student = jnp.zeros_like(teacher)
    kl = [float(losses.kl_divergence(jnp.zeros((1, 2)), jnp.array([t]))) for t in (whole, same, other)]
    np.testing.assert_allclose(losses.sdd_kd(student, teacher, labels), (kl[0] + kl[1] + 2 * kl[2]) / 3, rtol=1e-5)
    dkd = [float(losses.dkd(jnp.zeros((1, 2)), jnp.array([t]), labels)) for t in (whole, same, other)]
    np.testing.assert_allclose(losses.sdd_dkd(student, teacher, labels), (dkd[0] + dkd[1] + 2 * dkd[2]) / 3, rtol=1e-5)


def test_norm_direction_rewards_length_along_the_class_mean_up_to_the_teachers():
    centers, labels = jnp.array([[0.0, 9.0], [2.0, 0.0]]), jnp.array([1])
    at = lambda s, t: float(losses.norm_direction(jnp.array([s]), jnp.array([t]), centers, labels))
    np.testing.assert_allclose(at([3.0, 0.0], [0.0, 6.0]), 0.5)  # half as long as the teacher
    np.testing.assert_allclose(at([9.0, 0.0], [0.0, 6.0]), 0.0, atol=1e-6)  # longer: only the direction counts
    np.testing.assert_allclose(at([0.0, 9.0], [0.0, 6.0]), 1.0)


def test_where_the_norms_tie_the_students_divides():
    centers, labels = jnp.array([[1.0, 0.0]]), jnp.array([0])
    student, teacher = jnp.array([[3.0, 4.0]]), jnp.array([[0.0, 5.0]])
    grad = jax.grad(losses.norm_direction)(student, teacher, centers, labels)
    np.testing.assert_allclose(grad, [[-(1 - 0.36) / 5, 0.48 / 5]], rtol=1e-5)  # of the cosine


def test_zero_embeddings_are_finite():
    zeros, labels = jnp.zeros((2, 3)), jnp.array([0, 0])
    value, grad = jax.value_and_grad(losses.norm_direction)(zeros, zeros, jnp.zeros((1, 3)), labels)
    assert value == 1
    assert np.isfinite(grad).all()
