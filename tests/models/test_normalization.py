"""Batch norm's closed gradient against the differentiated formula."""
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kdjax.models.normalization import normalize


def formula(x, scale, bias, epsilon):
    mean = x.mean((0, 1, 2))
    var = jnp.square(x - mean).mean((0, 1, 2))
    y = (x - mean) / jnp.sqrt(var + epsilon)
    return y if scale is None else y * scale + bias


@pytest.mark.parametrize("affine", [True, False])
def test_values_and_gradients_are_the_formulas(affine):
    r = np.random.default_rng(0)
    with jax.enable_x64(True):
        x, g = (jnp.asarray(r.normal(1, 2, (4, 3, 5, 6))) for _ in range(2))
        parameters = tuple(jnp.asarray(r.normal(1, 0.3, 6)) if affine else None for _ in range(2))
        (ours, pull), (theirs, pull_formula) = (jax.vjp(lambda *a, f=f: f(*a, 1e-5), x, *parameters) for f in
                                                (lambda *a: normalize(*a)[0], formula))
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-13)
        for a, b in zip(jax.tree.leaves(pull(g)), jax.tree.leaves(pull_formula(g)), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-12)


def test_the_gradient_is_exact_where_the_mean_dwarfs_the_spread():
    """float32 far from zero: beside float64, no worse than differentiating the formula is."""
    r = np.random.default_rng(1)
    x, g = r.normal(1000, 1, (8, 4, 4, 2)), r.normal(size=(8, 4, 4, 2))
    grad = lambda f: jax.vjp(lambda x: f(x, None, None, 1e-5), jnp.asarray(x))[1](jnp.asarray(g))[0]
    with jax.enable_x64(True):
        exact = np.asarray(grad(formula))
    x, g = np.float32(x), np.float32(g)
    error = lambda f: np.abs(np.asarray(grad(f)) - exact).max()
    assert error(lambda *a: normalize(*a)[0]) <= 1.5 * error(formula)


def test_bfloat16_is_normalised_in_float32():
    x = jnp.asarray(np.random.default_rng(2).normal(3, 1, (16, 2, 2, 3)), jnp.bfloat16)
    y, mean, var = normalize(x, jnp.ones(3), jnp.zeros(3), 1e-5)
    assert (y.dtype, mean.dtype, var.dtype) == (jnp.bfloat16, jnp.float32, jnp.float32)
    assert jax.grad(lambda x: normalize(x, jnp.ones(3), jnp.zeros(3), 1e-5)[0].astype(jnp.float32)[0].sum())(
        x).dtype == jnp.bfloat16


def test_no_gradient_flows_through_the_running_statistics():
    x = jnp.asarray(np.random.default_rng(3).normal(size=(4, 2, 2, 3)), jnp.float32)
    assert not np.asarray(jax.grad(lambda x: sum(s.sum() for s in normalize(x, None, None, 1e-5)[1:]))(x)).any()


def test_second_derivatives_are_the_formulas():
    r = np.random.default_rng(4)
    with jax.enable_x64(True):
        x, w = jnp.asarray(r.normal(size=(3, 2, 2, 2))), jnp.asarray(r.normal(size=(3, 2, 2, 2)))
        twice = lambda f: jax.grad(lambda x: jnp.square(jax.grad(lambda x: (f(x) ** 3 * w).sum())(x)).sum())(x)
        np.testing.assert_allclose(twice(lambda x: normalize(x, None, None, 1e-5)[0]),
                                   twice(lambda x: formula(x, None, None, 1e-5)), rtol=1e-9, atol=1e-9)
