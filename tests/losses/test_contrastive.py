"""Contrastive losses by hand, their memories, and the score helper against `crd`."""
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kdjax import losses

RNG = np.random.default_rng(0)


def unit(*shape):
    return losses.l2_normalize(jnp.asarray(RNG.standard_normal(shape), jnp.float32))


def test_crd_is_noise_contrastive_estimation():
    z, memory = jnp.zeros((1, 2)), jnp.ones((1, 4, 2))  # every score exp(0) = 1, K = 3
    n_data = 6
    loss, norms = losses.crd(z, z, memory, memory, n_data=n_data, norm_s=2.0, norm_t=4.0, eps=0.0)
    side = lambda o, c: -math.log(o / (o + c)) - 3 * math.log(c / (o + c))
    np.testing.assert_allclose(loss, side(1 / 2, 0.5) + side(1 / 4, 0.5), rtol=1e-5)
    np.testing.assert_array_equal(norms, (2, 4))


def test_crd_fixes_its_norms_from_the_first_batch():
    z_s, z_t, mem_s, mem_t = unit(2, 3), unit(2, 3), unit(2, 5, 3), unit(2, 5, 3)
    loss, (norm_s, norm_t) = losses.crd(z_s, z_t, mem_s, mem_t, n_data=20)
    scores = np.einsum("bd,bkd->bk", z_s, mem_t) / 0.07
    np.testing.assert_allclose(norm_s, 20 * np.exp(scores).mean(), rtol=1e-5)  # the student meets the teacher's bank
    again, norms = losses.crd(z_s, z_t, mem_s, mem_t, n_data=20, norm_s=norm_s, norm_t=norm_t)
    assert loss == again
    assert norms == (norm_s, norm_t)
    unset, norms = jax.jit(lambda n: losses.crd(z_s, z_t, mem_s, mem_t, n_data=20, norm_s=n, norm_t=n))(-1.0)
    np.testing.assert_allclose([unset, *norms], [loss, norm_s, norm_t], rtol=1e-6)


def test_scores_of_a_whole_bank_give_the_same_loss_and_gradient_as_crd():
    z_s, z_t, bank_s, bank_t = unit(3, 4), unit(3, 4), unit(30, 4), unit(30, 4)
    index = jnp.asarray(RNG.integers(0, 30, (3, 8)))

    def gathered(a, b):
        return losses.crd(a, b, bank_s[index], bank_t[index], n_data=30)[0]

    def scored(a, b):
        def side(z, bank):
            return losses.nce_from_scores(jnp.take_along_axis(z @ bank.T / 0.07, index, axis=1), 30)[0]

        return side(a, bank_t) + side(b, bank_s)

    want, got = (jax.jit(jax.value_and_grad(f, (0, 1)))(z_s, z_t) for f in (gathered, scored))
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-4), got, want)


@pytest.mark.parametrize("loss", [losses.crd, losses.rrd_momentum])
def test_banks_and_norms_are_detached(loss):
    args = unit(2, 3), unit(2, 3), unit(2, 5, 3), unit(2, 5, 3)
    grads = jax.jit(jax.grad(lambda *a: loss(*a[:4], n_data=20, norm_s=a[4], norm_t=a[4])[0], (2, 3, 4)))(*args, 9.0)
    assert all(np.abs(g).max() == 0 for g in grads)


def test_rrd_momentum_is_a_cross_entropy_of_exponentiated_scores():
    z, memory = jnp.zeros((1, 2)), jnp.ones((1, 4, 2))
    loss, norms = losses.rrd_momentum(z, z, memory, memory, n_data=6)
    np.testing.assert_allclose(loss, math.log(4), rtol=1e-6)  # flat against flat
    np.testing.assert_allclose(norms, (6, 6), rtol=1e-6)


def test_crd_fifo_is_infonce_with_the_positive_in_front():
    z_s, z_t, queue = jnp.array([[1.0, 0.0]]), jnp.array([[1.0, 0.0]]), jnp.array([[0.0, 1.0], [0.0, -1.0]])
    got = losses.crd_fifo(z_s, z_t, queue, temperature=0.5)
    np.testing.assert_allclose(got, -math.log(math.e**2 / (math.e**2 + 2)), rtol=1e-5)
    assert np.abs(jax.grad(losses.crd_fifo, 1)(z_s, z_t, queue)).max() > 0
    assert np.abs(jax.grad(losses.crd_fifo, 2)(z_s, z_t, queue)).max() == 0


def test_rrd_is_a_cross_entropy_that_never_teaches_the_teacher():
    z_s, z_t, queue = jnp.array([[0.0, 1.0]]), jnp.array([[1.0, 0.0]]), jnp.array([[1.0, 0.0], [0.0, 1.0]])
    p = 1 / (1 + math.exp(-2))  # teacher at 0.5: (p, 1 - p); student at 1: (1 - q, q)
    q = 1 / (1 + math.exp(-1))
    got = losses.rrd(z_s, z_t, queue, temperature_s=1.0, temperature_t=0.5)
    np.testing.assert_allclose(got, -p * math.log(1 - q) - (1 - p) * math.log(q), rtol=1e-5)
    grads = jax.jit(jax.grad(losses.rrd, (0, 1, 2)))(z_s, z_t, queue)
    assert np.abs(grads[0]).max() > 0
    assert all(np.abs(g).max() == 0 for g in grads[1:])


def test_dcd_of_flat_similarities_is_the_log_of_the_batch():
    z = jnp.zeros((3, 2))
    np.testing.assert_allclose(losses.dcd(z, z, 1.0, 0.5), math.log(3), rtol=1e-6)


def test_dcd_matches_rows_with_columns():
    z_s, z_t = jnp.eye(2), jnp.array([[1.0, 0.0], [1.0, 0.0]])  # A = [[e, e], [0, 0]]
    rows = np.log([0.5, 0.5])
    log_q = np.array([math.e, 0.0]) - math.log(math.exp(math.e) + 1)  # each column's softmax
    consistency = 2 * np.sum(np.exp(log_q) * (log_q - rows)) / 2
    np.testing.assert_allclose(losses.dcd(z_s, z_t, 1.0, 3.0), math.log(2) + 0.5 * consistency, rtol=1e-5)


@pytest.mark.parametrize("tau", [3.0, 500.0])
def test_dcd_clamps_its_scale_and_stops_its_gradient_there(tau):
    z_s, z_t = unit(3, 4), unit(3, 4)
    value, (g_tau, g_b) = jax.jit(jax.value_and_grad(losses.dcd, (2, 3)))(z_s, z_t, tau, 0.0)
    np.testing.assert_allclose(value, losses.dcd(z_s, z_t, math.log(10), 0.0), rtol=1e-5)
    assert g_tau == 0
    assert abs(g_b) < 1e-6


def test_dcd_is_finite_where_targets_underflow():
    z_s, z_t = jnp.array([[100.0, 0.0], [0.0, 100.0]]), jnp.array([[100.0, 0.0], [0.0, -100.0]])
    assert all(np.isfinite(g).all() for g in jax.grad(losses.dcd, (0, 1, 2, 3))(z_s, z_t, 2.0, 0.0))


def test_memory_update_moves_rows_along_the_sphere():
    rows, z = jnp.array([[1.0, 0.0]]), jnp.array([[0.0, 1.0]])
    np.testing.assert_allclose(losses.memory_update(rows, z), [[0.5**0.5] * 2], rtol=1e-6)
    np.testing.assert_allclose(losses.memory_update(rows, z, momentum=0.8), np.array([[4, 1]]) / 17**0.5, rtol=1e-6)


def test_queue_enqueue_writes_in_place_and_wraps():
    queue, keys = jnp.zeros((4, 1)), jnp.array([[1.0], [2.0]])
    new, ptr = losses.queue_enqueue(queue, 1, keys)
    np.testing.assert_array_equal(new[:, 0], [0, 1, 2, 0])
    assert ptr == 3
    new, ptr = jax.jit(losses.queue_enqueue)(new, ptr, keys)
    np.testing.assert_array_equal(new[:, 0], [2, 1, 2, 1])
    assert ptr == 1
