"""Every small constant of a loss is where the original has it: inputs at which it decides the value."""
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kdjax import losses
from kdjax.losses import ops
from kdjax.methods.memories import bank

SURE = jnp.asarray([[40.0, 0.0, 0.0]])  # a network certain of its label: its cross-entropy is 0 in float32


def test_wsld_divides_by_the_teacher_s_cross_entropy_plus_1e_7():
    labels, small = jnp.asarray([0]), 1.7e-7  # the student's cross-entropy, by one logit
    student = jnp.asarray([[0.0, np.log(small), -100.0]])
    loss = losses.wsld(student, SURE, labels, temperature=1.0, alpha=1.0)
    ce = -jax.nn.log_softmax(student)[0, 0]
    soft = -jnp.sum(jax.nn.softmax(SURE) * jax.nn.log_softmax(student))
    want = ce + (1 - np.exp(-float(ce) / 1e-7)) * soft
    np.testing.assert_allclose(loss, want, rtol=1e-5)
    assert 0.5 < float((loss - ce) / soft) < 0.95  # without the constant the ratio is infinite: a weight of 1


def test_wsld_of_two_certain_networks_is_finite_with_finite_gradients():
    for student in (SURE, SURE * 0):
        value, grad = jax.value_and_grad(losses.wsld)(student, SURE, jnp.asarray([0]))
        assert np.isfinite(value) and np.isfinite(grad).all()


def test_pkt_adds_1e_7_to_norms_and_within_the_logarithm():
    f_s, f_t = jnp.asarray([[1e-7, 0.0], [0.0, 1.0]]), jnp.asarray([[1.0, 0.0], [-1.0, 0.0]])

    def affinity(x, eps=1e-7):
        x = np.asarray(x, np.float64)
        unit = x / (np.linalg.norm(x, axis=1, keepdims=True) + eps)
        a = (unit @ unit.T + 1) / 2
        return a / a.sum(1, keepdims=True)

    s, t = affinity(f_s), affinity(f_t)  # t has entries of 5e-8, where the constant decides
    want = np.mean(t * np.log((t + 1e-7) / (s + 1e-7)))
    np.testing.assert_allclose(losses.pkt(f_s, f_t), want, rtol=1e-4)
    assert affinity(f_s)[0, 0] < 0.6  # half a norm of eps: the row is far from a unit vector
    np.testing.assert_allclose(losses.pkt(f_s, f_t, eps=1e-2), np.mean(
        affinity(f_t, 1e-2) * np.log((affinity(f_t, 1e-2) + 1e-2) / (affinity(f_s, 1e-2) + 1e-2))), rtol=1e-4)


@pytest.mark.parametrize("eps", [1e-7, 1e-2])
def test_crd_adds_its_constant_to_the_noise_of_positives_and_negatives(eps):
    with jax.enable_x64(True):
        scores, n_data, norm = jnp.asarray([[1.0, -2.0, 0.5]]), 1_000_000, 3.0
        o, c = np.exp(np.asarray(scores[0])) / norm, 2 / n_data
        want = -np.log(o[0] / (o[0] + c + eps)) - np.sum(np.log(c / (o[1:] + c + eps)))
        np.testing.assert_allclose(losses.nce_from_scores(scores, n_data, norm, eps)[0], want, rtol=1e-9)
    assert bank.EPS == 1e-7


def test_crd_s_constant_is_1e_7_unless_given():
    scores = jnp.asarray([[1.0, -18.0, -18.0]])  # as unlikely as the noise
    default = losses.nce_from_scores(scores, 10**8, 3.0)[0]
    np.testing.assert_allclose(default, losses.nce_from_scores(scores, 10**8, 3.0, 1e-7)[0])
    assert abs(float(default - losses.nce_from_scores(scores, 10**8, 3.0, 0.0)[0])) > 0.1


@pytest.mark.parametrize("eps", [1e-5, 0.5])
def test_vid_s_variance_never_falls_below_its_constant(eps):
    mean, target, log_scale = jnp.zeros((1, 1, 1, 1)), jnp.full((1, 1, 1, 1), 0.01), jnp.asarray([-50.0])
    want = 0.5 * (0.01**2 / eps + np.log(eps))
    np.testing.assert_allclose(losses.vid(mean, log_scale, target, eps=eps), want, rtol=1e-4)


def test_vid_s_constant_is_1e_5_unless_given():
    args = jnp.zeros((1, 1, 1, 1)), jnp.asarray([-50.0]), jnp.full((1, 1, 1, 1), 0.01)
    np.testing.assert_allclose(losses.vid(*args), losses.vid(*args, eps=1e-5))


def test_unit_vectors_divide_by_a_norm_of_at_least_1e_12():
    with jax.enable_x64(True):
        x = jnp.asarray([3e-13, 4e-13])  # shorter than the constant
        np.testing.assert_allclose(ops.l2_normalize(x), x / 1e-12)
        np.testing.assert_allclose(ops.l2_normalize(2 * x), 2 * x / 1e-12)
        np.testing.assert_allclose(ops.l2_normalize(4 * x), x / 5e-13)
        np.testing.assert_allclose(ops.l2_normalize(x, eps=1.0), x)


def test_rkd_s_distances_are_roots_of_at_least_1e_12():
    with jax.enable_x64(True):
        near = jnp.asarray([[0.0], [1e-8], [1.0]])  # two that are closer than the clamp
        far = jnp.asarray([[0.0], [1.0], [3.0]])
        clamped = np.abs(np.asarray(near) - np.asarray(near).T)
        clamped[0, 1] = clamped[1, 0] = 1e-6
        plain = np.abs(np.asarray(far) - np.asarray(far).T)
        relative = [d / (d.sum() / 6) for d in (clamped, plain)]
        d = np.abs(relative[0] - relative[1])
        want = np.mean(np.where(d < 1, 0.5 * d * d, d - 0.5))
        np.testing.assert_allclose(losses.rkd(near, far, distance_weight=1.0, angle_weight=0.0), want, rtol=1e-12)


def test_itrd_s_information_of_nothing_is_nothing():
    zero, some = jnp.zeros((3, 2)), jnp.eye(3)
    assert float(losses.itrd_mutual(zero, some)) == 0
    np.testing.assert_allclose(losses.itrd_mutual(some, some), 0, atol=1e-7)
