"""Primitives: torch's meanings, worked by hand, and gradients where a derivative does not exist."""
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kdjax.losses import ops


def line(values):
    """A map [1, 1, n, 1]."""
    return jnp.asarray(values, jnp.float32)[None, None, :, None]


def test_l2_normalize_gives_unit_vectors():
    np.testing.assert_allclose(ops.l2_normalize(jnp.array([[3.0, 4.0]])), [[0.6, 0.8]], rtol=1e-6)
    np.testing.assert_allclose(ops.l2_normalize(jnp.array([[3.0], [4.0]]), axis=0), [[0.6], [0.8]], rtol=1e-6)


def test_l2_normalize_of_zeros_is_zero_with_torchs_gradient():
    value, pull = jax.vjp(ops.l2_normalize, jnp.zeros((1, 2)))
    np.testing.assert_array_equal(value, 0)
    np.testing.assert_allclose(pull(jnp.array([[1.0, 0.0]]))[0], [[1e12, 0]])
    np.testing.assert_array_equal(pull(jnp.zeros((1, 2)))[0], 0)


def test_smooth_l1_is_quadratic_inside_beta_and_linear_outside():
    d = jnp.array([0.0, 0.5, -1.0, 3.0])
    np.testing.assert_allclose(ops.smooth_l1(d, jnp.zeros(4)), [0, 0.125, 0.5, 2.5])
    np.testing.assert_allclose(ops.smooth_l1(d, jnp.zeros(4), beta=2.0), [0, 0.0625, 0.25, 2])
    np.testing.assert_allclose(ops.smooth_l1(d, jnp.zeros(4), beta=0), [0, 0.5, 1, 3])
    np.testing.assert_allclose(jax.grad(lambda x: ops.smooth_l1(x, jnp.zeros(4)).sum())(d), [0, 0.5, -1, 1])


@pytest.mark.parametrize(("values", "size", "expected"), [
    ([1, 2, 3, 4], 4, [1, 2, 3, 4]),                   # equal: identity
    ([1, 2, 3, 4], 2, [1.5, 3.5]),                     # divides: plain means
    ([1, 2, 3, 4, 6], 2, [2, 13 / 3]),                 # windows 0..2 and 2..4 overlap
    ([1, 2, 4, 8, 16, 32, 64], 3, [7 / 3, 28 / 3, 112 / 3]),
    ([1, 3, 5], 5, [1, 2, 3, 4, 5]),                   # enlarging repeats and mixes
])
def test_adaptive_avg_pool_uses_torchs_windows(values, size, expected):
    np.testing.assert_allclose(ops.adaptive_avg_pool(line(values), (1, size))[0, 0, :, 0], expected, rtol=1e-6)


def test_adaptive_avg_pool_is_separable_and_keeps_the_mean_where_sizes_divide():
    x = jnp.arange(2 * 6 * 4 * 3.0).reshape(2, 6, 4, 3)
    np.testing.assert_allclose(ops.adaptive_avg_pool(x, 1)[:, 0, 0], x.mean((1, 2)), rtol=1e-6)
    assert ops.adaptive_avg_pool(x, (4, 3)).shape == (2, 4, 3, 3)
    assert ops.adaptive_avg_pool(x, (6, 4)) is x


def test_match_size_shrinks_the_larger_and_never_enlarges():
    small, large = jnp.ones((1, 2, 2, 1)), jnp.ones((1, 5, 5, 3))
    assert [f.shape for f in ops.match_size(small, large)] == [(1, 2, 2, 1), (1, 2, 2, 3)]
    assert [f.shape for f in ops.match_size(large, small)] == [(1, 2, 2, 3), (1, 2, 2, 1)]


def test_safe_sqrt_has_derivative_zero_at_zero():
    np.testing.assert_allclose(jax.vmap(jax.value_and_grad(ops.safe_sqrt))(jnp.array([0.0, 4.0])), [[0, 2], [0, 0.25]])


@pytest.mark.parametrize("shape", [(7, 4), (4, 4), (3, 5)])
def test_singular_vectors_move_as_the_full_svd_says(shape):
    rng = np.random.default_rng(1)
    with jax.enable_x64(True):
        x, dx = jnp.asarray(rng.standard_normal(shape)), jnp.asarray(rng.standard_normal(shape))
        full = lambda a: jnp.linalg.svd(a, full_matrices=False)[2][:2].T
        np.testing.assert_allclose(jax.jvp(lambda a: ops.right_singular_vectors(a, 2), (x,), (dx,)),
                                   jax.jvp(full, (x,), (dx,)), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("x", [np.zeros((6, 4)), np.eye(6, 4), np.ones((6, 4)), np.diag([1e-20, 1e-20, 0, 0]),
                               np.diag([3.0, 3.0, 1.0, 0])], ids=["zero", "equal", "rank 1", "tiny", "tied"])
def test_singular_vectors_have_finite_gradients_where_values_coincide(x):
    probe = jnp.asarray(np.random.default_rng(0).standard_normal((4, 4)), jnp.float32)
    grad = jax.grad(lambda a: jnp.sum(ops.right_singular_vectors(a, 4) * probe))(jnp.asarray(x, jnp.float32))
    assert np.isfinite(grad).all()
