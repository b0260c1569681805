"""Losses on maps, worked by hand on tiny ones, and dead channels or samples."""
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kdjax import losses

RNG = np.random.default_rng(0)


def row(*channels):
    """A map [1, 1, n, C] from its channels, each a list over the n positions."""
    return jnp.asarray(channels, jnp.float32).T[None, None]


def normal(*shape):
    return jnp.asarray(RNG.standard_normal(shape), jnp.float32)


def finite(loss, *args):
    value, grad = jax.jit(jax.value_and_grad(loss))(*args)
    return np.isfinite(value) and all(np.isfinite(g).all() for g in jax.tree.leaves(grad))


def test_hint_is_the_mean_squared_error_and_wants_equal_shapes():
    assert losses.hint(row([1, 2]), row([1, 4])) == 2
    with pytest.raises(ValueError, match="hint"):
        losses.hint(jnp.ones((1, 1, 1, 3)), jnp.ones((1, 2, 2, 3)))


def test_attention_compares_unit_energy_maps():
    student, teacher = row([0, 3]), row([2, 0], [2, 0])  # maps (0, 1) and (1, 0)
    np.testing.assert_allclose(losses.attention(student, teacher), 1, rtol=1e-6)
    np.testing.assert_allclose(losses.attention(student, 5 * student), 0, atol=1e-12)
    np.testing.assert_allclose(losses.attention_map(row([1, -2])), np.array([[1, 4]]) / 17**0.5, rtol=1e-6)


def test_attention_pools_the_larger_map_before_it_squares():
    checks = jnp.tile(jnp.array([[1.0, -1.0], [-1.0, 1.0]]), (2, 2))[None, :, :, None]  # pools to zero, squares to one
    assert losses.attention(jnp.zeros((1, 2, 2, 1)), checks) == 0


@pytest.mark.parametrize("loss", [losses.attention, losses.nst])
def test_a_dead_sample_gets_gradient_zero(loss):
    student, teacher = normal(2, 2, 2, 3).at[0].set(0), normal(2, 2, 2, 3)
    grad = jax.jit(jax.grad(loss))(student, teacher)
    np.testing.assert_array_equal(grad[0], 0)
    assert np.isfinite(grad).all()


def test_factor_transfer_takes_the_absolute_difference_of_maps():
    student, teacher = row([3, 0]), row([0, 1])
    np.testing.assert_allclose(losses.factor_transfer(student, teacher), 1, rtol=1e-6)
    np.testing.assert_allclose(losses.factor_transfer(row([1, 1]), teacher, p2=2), 1 - 0.5**0.5, rtol=1e-5)
    np.testing.assert_array_equal(jax.grad(losses.factor_transfer)(student, student), 0)


def test_nst_is_the_squared_distance_of_mean_squared_products():
    student, teacher = row([1, 0]), row([3, 4], [0, 2])  # k(T,T) = (1 + 1 + 2 * 0.64) / 4, k(S,S) = 1, k(S,T) = 0.18
    np.testing.assert_allclose(losses.nst(student, teacher), 0.82 + 1 - 0.36, rtol=1e-6)


def test_nst_is_the_same_whichever_gram_matrix_is_formed():
    x, y = normal(2, 2, 2, 9), normal(2, 2, 2, 7)  # four positions, more channels
    unit = lambda f: np.asarray(losses.l2_normalize(f.reshape(2, 4, -1), axis=1))
    k = lambda a, b: np.mean(np.einsum("bpi,bpj->bij", unit(a), unit(b)) ** 2)
    np.testing.assert_allclose(losses.nst(x, y), k(x, x) + k(y, y) - 2 * k(x, y), rtol=1e-4)


def test_nst_detaches_the_teachers_own_term():
    student, teacher = normal(2, 2, 2, 3), normal(2, 2, 2, 3)
    scale = jax.jit(jax.grad(lambda t: losses.nst(jnp.zeros_like(student), t)))(teacher)
    np.testing.assert_array_equal(scale, 0)


def test_activation_boundary_pushes_to_the_teachers_side_of_the_margin():
    g_s, g_t = [row([0.5, -2, 1, 3])], [row([-1, -1, 2, 2])]
    # 0.5 should be below -1: 1.5^2; -2 is; 1 meets the margin exactly: 0; 3 is beyond
    np.testing.assert_allclose(losses.activation_boundary(g_s, g_t), 2.25 * 3 / 1000, rtol=1e-6)
    twice = losses.activation_boundary(g_s * 2, g_t * 2)  # the stage before the last counts half
    np.testing.assert_allclose(twice, 1.5 * 2.25 * 3 / 1000, rtol=1e-6)


def test_lists_of_unequal_length_are_refused():
    with pytest.raises(ValueError, match="zip"):
        losses.activation_boundary([row([1])], [row([1])] * 2)


def test_semckd_weighs_each_samples_error():
    proj, target = jnp.zeros((2, 1, 1, 1)), jnp.array([1.0, 3.0]).reshape(2, 1, 1, 1)
    weights = jnp.array([[[0.5, 0.5]], [[1.0, 0.0]]])  # B = 2, S = 1, T = 2
    got = losses.semckd([[proj, proj]], [[target, proj]], weights)
    np.testing.assert_allclose(got, (0.5 * 1 + 1.0 * 9) / 2)


def test_semckd_weights_are_a_softmax_over_teacher_stages():
    query, key = jnp.ones((1, 2, 1)), jnp.log(jnp.array([[[1.0], [3.0]]]))
    np.testing.assert_allclose(losses.semckd_weights(query, key), [[[0.25, 0.75]] * 2], rtol=1e-6)
    np.testing.assert_allclose(losses.semckd_weights(query, key, soft=0.5), [[[0.1, 0.9]] * 2], rtol=1e-6)


def test_srrl_adds_the_error_of_the_features_and_of_the_logits():
    got = losses.srrl(jnp.array([[1.0, 1.0]]), jnp.array([[0.0, 3.0]]), jnp.array([[2.0]]), jnp.array([[5.0]]))
    np.testing.assert_allclose(got, 2.5 + 9)


def test_simkd_pools_the_teacher_and_never_the_student():
    teacher = jnp.arange(16.0).reshape(1, 4, 4, 1)
    student = jnp.array([2.5, 4.5, 10.5, 13.5]).reshape(1, 2, 2, 1)  # off by one in one of four
    np.testing.assert_allclose(losses.simkd(student, teacher), 0.25)
    with pytest.raises(ValueError, match="simkd"):
        losses.simkd(teacher, student)


def test_a_dead_student_channel_is_harmless():
    student, teacher = normal(2, 3, 3, 4).at[..., 1].set(0), normal(2, 4, 4, 4).at[..., 2].set(0)
    assert finite(losses.nst, student, teacher)
    assert finite(losses.ickd, student, teacher)
    assert finite(lambda s: losses.fsp([s, s], [teacher, teacher]), student)
    assert finite(lambda s: losses.kdsvd([s, s], [teacher, teacher]), student)
