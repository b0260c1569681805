"""Prototype losses by hand, and clusters with nobody in them."""
import math

import jax
import jax.numpy as jnp
import numpy as np

from kdjax import losses


def test_prsd_averages_clusterings_and_divides_by_density():
    z_s, z_ss = jnp.zeros((1, 2)), jnp.array([[1.0, 0.0]])
    prototypes, density = [jnp.eye(2)] * 2, [jnp.full(2, 1 / math.log(3)), jnp.full(2, 1 / math.log(7))]
    # at T = 1 the second view's softmaxes are (3/4, 1/4) and (7/8, 1/8)
    kl = lambda p: p * math.log(2 * p) + (1 - p) * math.log(2 * (1 - p))
    got = losses.prsd(z_s, z_ss, prototypes, density, temperature=1.0)
    np.testing.assert_allclose(got, (kl(3 / 4) + kl(7 / 8)) / 2, rtol=1e-5)


def test_prsd_teaches_both_views_and_stays_finite_for_peaked_targets():
    z_s, z_ss = jnp.array([[1.0, 0.0]]), jnp.array([[0.0, 1.0]])
    grads = jax.jit(jax.grad(lambda a, b: losses.prsd(a, b, [jnp.eye(2)], [jnp.full(2, 1e-4)]), (0, 1)))(z_s, z_ss)
    assert all(np.isfinite(g).all() for g in grads)
    grads = jax.jit(jax.grad(lambda a, b: losses.prsd(a, b, [jnp.eye(2)], [jnp.ones(2)]), (0, 1)))(z_s, z_ss)
    assert all(np.abs(g).max() > 0 for g in grads)


def test_prsd_density_is_mean_distance_over_log_size():
    got = losses.prsd_density(np.array([1.0, 9.0, 4.0, 4.0]), np.array([0, 0, 1, 1]), 2)
    np.testing.assert_allclose(got, [0.1, 0.1])  # both mean 2, ln 12
    got = losses.prsd_density(np.array([1.0, 1.0, 9.0, 9.0]), np.array([0, 0, 1, 1]), 2, temperature=0.2)
    np.testing.assert_allclose(got, [0.2 * 1.2 / 2, 0.2 * 2.8 / 2])  # 1 and 3, clipped to 1.2 and 2.8


def test_prsd_density_gives_small_clusters_the_largest_density():
    got = losses.prsd_density(np.array([[1.0], [1.0], [4.0], [4.0], [99.0]]), np.array([0, 0, 1, 1, 2]), 4)
    assert got[1] == got[2] == got[3] > got[0]
    np.testing.assert_allclose(got.mean(), 0.1)


def test_prsd_density_of_points_on_their_centres_is_flat():
    np.testing.assert_array_equal(losses.prsd_density(np.zeros(3), np.array([0, 0, 1]), 2), [0.1, 0.1])
