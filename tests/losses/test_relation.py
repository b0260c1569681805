"""Losses on relations, worked by hand, and duplicates, zero samples and repeated singular values."""
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kdjax import losses

RNG = np.random.default_rng(0)


def normal(*shape):
    return jnp.asarray(RNG.standard_normal(shape), jnp.float32)


def gradient(loss, *args):
    grad = jax.jit(jax.grad(loss))(*args)
    assert all(np.isfinite(g).all() for g in jax.tree.leaves(grad))
    return grad


def test_similarity_compares_row_normalised_gram_matrices():
    student, teacher = jnp.eye(2), jnp.ones((2, 3))  # rows (1, 0), (0, 1) against (1, 1) / sqrt 2
    half = 0.5**0.5
    np.testing.assert_allclose(losses.similarity(student, teacher), ((1 - half) ** 2 + half**2) / 2, rtol=1e-6)


def test_similarity_of_a_zero_sample_stays_finite():
    gradient(losses.similarity, normal(3, 2, 2, 2).at[0].set(0), normal(3, 4))


def test_correlation_congruence_multiplies_neighbours_errors():
    student = jnp.array([[1.0, 0.0], [2.0, 1.0], [0.0, -3.0]])
    np.testing.assert_allclose(losses.correlation_congruence(student, jnp.zeros((3, 2))), (2 + 3) / 2)
    assert losses.correlation_congruence(student[:1], jnp.zeros((1, 2))) == 0


def test_rkd_distances_are_relative_to_their_mean():
    student, teacher = jnp.array([[0.0], [1.0], [3.0]]), jnp.array([[0.0], [2.0], [4.0]])
    # student distances 1, 3, 2 over 2; teacher 2, 4, 2 over 8/3: differences -1/4, 0, 1/4, twice each
    expected = 4 * 0.5 * (1 / 4) ** 2 / 9
    np.testing.assert_allclose(losses.rkd(student, teacher, distance_weight=1, angle_weight=0), expected, rtol=1e-5)


def test_rkd_angles_are_cosines_at_each_corner():
    line = jnp.array([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0]])
    corner = jnp.array([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]])
    # line: 1, -1, 1; right-angled triangle: 1/sqrt 2, 0, 1/sqrt 2; each corner twice in 27
    expected = 2 * (2 * 0.5 * (1 - 0.5**0.5) ** 2 + 0.5) / 27
    np.testing.assert_allclose(losses.rkd(line, corner, distance_weight=0, angle_weight=1), expected, rtol=1e-5)


@pytest.mark.parametrize("collapsed", [2, 4])
def test_rkd_duplicates_are_finite(collapsed):
    x = jnp.round(normal(4, 3) * 8) / 8
    student = x.at[:collapsed].set(x[0])
    gradient(losses.rkd, student, normal(4, 3).at[1].set(0).at[0].set(0))
    np.testing.assert_allclose(gradient(losses.rkd, student, student), 0, atol=1e-5)


def test_rkd_detaches_the_teacher():
    np.testing.assert_array_equal(jax.grad(losses.rkd, 1)(normal(3, 2), normal(3, 2)), 0)


def test_ega_sums_a_node_and_an_edge_norm():
    e_t = jnp.array([[1.0, 0.0, -1.0], [1.0, -2.0, 1.0]])  # uncorrelated samples
    e_s = jnp.array([[2.0, 0.0, -2.0], [3.0, 0.0, -3.0]])  # both along the first
    # C_ts = [[1, 1], [0, 0]], C_ss all ones, C_tt = I
    expected = 2**0.5 * 1.0 + 0.3 * 2**0.5
    np.testing.assert_allclose(losses.ega(e_s, e_t), expected, rtol=1e-5)


def test_ega_has_gradient_zero_at_its_minimum_and_survives_a_constant_row():
    e = jnp.array([[1.0, 0.0, -1.0], [1.0, -2.0, 1.0]])
    # eagerly: a compiled program may round the two equal matrices apart, and a norm points somewhere at any distance
    np.testing.assert_array_equal(jax.grad(lambda s: losses.ega(s, e, node_weight=0))(e), 0)
    gradient(losses.ega, e.at[0].set(0.5), e)


def test_ickd_compares_channel_gram_matrices_of_any_size():
    student = jnp.eye(2)[None, None]                     # two positions: channels orthogonal
    teacher = jnp.ones((1, 3, 3, 2))                     # channels equal
    half = 0.5**0.5
    np.testing.assert_allclose(losses.ickd(student, teacher), (1 - half) ** 2 + half**2, rtol=1e-6)
    with pytest.raises(ValueError, match="ickd"):
        losses.ickd(student, teacher[..., :1])


def test_fsp_compares_products_of_consecutive_maps():
    ones = jnp.ones((1, 2, 2, 2))
    # pairs: 1*2 against 1*1, then 2*3 against 1*1
    got = losses.fsp([ones, 2 * ones, 3 * ones[:, :1, :1]], [jnp.ones((1, 4, 4, 2))] * 3)
    np.testing.assert_allclose(got, 1 + 25)
    with pytest.raises(ValueError, match="fsp"):
        losses.fsp([ones], [ones[..., :1]])


def rank_one(*channels, positions=4):
    """A map [1, 2, 2, C] whose leading right singular vector is along `channels`."""
    return jnp.ones((1, 2, positions // 2, 1)) * jnp.asarray(channels, jnp.float32)


def test_kdsvd_compares_the_spread_of_leading_vectors():
    student, teacher = [rank_one(1, 0), rank_one(1, 0)], [rank_one(1, 0), rank_one(0, 1)]
    v_t = [jnp.array([[[1.0], [0.0]]]), jnp.array([[[0.0], [1.0]]])]
    # the second student stage has (1, 0) and a null vector; the teacher's (0, 1) picks the null vector: equal spreads
    np.testing.assert_allclose(losses.kdsvd(student, teacher, v_t=v_t), 0, atol=1e-6)
    # teacher stages (1, 0), (-1, 0): student follows each sign; flipping both changes nothing
    opposite = [v_t[0], -v_t[0]]
    a = losses.kdsvd(student, student, v_t=opposite)
    np.testing.assert_allclose(a, losses.kdsvd(student, student, v_t=[-v for v in opposite]), atol=1e-6)


def test_kdsvd_of_one_net_with_itself_is_zero_and_its_gradient_finite():
    stages = [normal(2, 3, 3, 5), normal(2, 2, 2, 6), normal(2, 1, 1, 4)]  # four positions, then one: fewer than k + 3
    for k, g in ((1, stages), (2, stages[:2])):
        value, grads = jax.jit(jax.value_and_grad(lambda s: losses.kdsvd(s, g, k=k)))(g)
        np.testing.assert_allclose(value, 0, atol=1e-5)
        assert all(np.isfinite(x).all() for x in grads)


@pytest.mark.parametrize("dead", [2, 3, 5])
def test_kdsvd_gradients_are_finite_with_dead_channels(dead):
    student = [normal(2, 4, 4, 5).at[..., :dead].set(0) for _ in range(2)]
    gradient(lambda s: losses.kdsvd(s, [normal(2, 4, 4, 5), normal(2, 4, 4, 5)]), student)


def test_kdsvd_wants_equal_channels():
    with pytest.raises(ValueError, match="kdsvd"):
        losses.kdsvd([normal(1, 2, 2, 3)], [normal(1, 2, 2, 4)])
