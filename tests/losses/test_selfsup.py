"""The pretext objectives against the originals' numbers, and what must hold of them in any case."""
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kdjax.losses import l2_normalize, queue_enqueue, selfsup
from tests.selfsup_golden import close, load

CASES = [("npair", "none"), ("npair", "imixup"), ("moco", "none"), ("mocon", "none"), ("mocon", "imixup"),
         ("byol", "none"), ("byol", "imixup")]


def objective(method, q_raw, k_raw, queue, tau, mixing):
    q, k = l2_normalize(q_raw), l2_normalize(k_raw)
    if method == "byol":
        return selfsup.byol(q, k, **mixing), selfsup.similarities(q, k)
    if method == "npair":
        return selfsup.npair(q, k, temperature=tau, **mixing), selfsup.similarities(q, k, temperature=tau)
    if method == "moco":
        return selfsup.moco(q, k, queue, temperature=tau), selfsup.moco_logits(q, k, queue, temperature=tau)
    return (selfsup.mocon(q, k, queue, temperature=tau, **mixing),
            selfsup.similarities(q, k, queue, temperature=tau))


@pytest.mark.parametrize("kind", ["f64", "f32"])
@pytest.mark.parametrize(("method", "imix"), CASES)
def test_losses_logits_gradients_and_the_queue_equal_the_originals(method, imix, kind):
    data, _ = load("losses")
    with jax.enable_x64(kind == "f64"):
        arrays = {k: jnp.asarray(data[f"in.{k}"].astype(kind.replace("f", "float"))) for k in ("q_raw", "k_raw", "lam")}
        queue = jnp.asarray(data["in.queue"].T.astype(arrays["lam"].dtype))
        mixing = {} if imix == "none" else {"partner": jnp.asarray(data["in.perm"]), "lam": arrays["lam"]}
        value = lambda q, k: objective(method, q, k, queue, float(data["in.temp"]), mixing)
        (loss, logits), (g_q, g_k) = jax.value_and_grad(value, (0, 1), has_aux=True)(arrays["q_raw"], arrays["k_raw"])
        after, _ = queue_enqueue(queue, 0, l2_normalize(arrays["k_raw"]))
    golden = lambda key: data[f"{kind}.{method}.{imix}.{key}"]
    close(loss, golden("loss"), kind)
    close(logits, golden("logits"), kind)
    close(g_q, golden("grad_q_raw"), kind)
    close(g_k, golden("grad_k_raw") if method == "npair" else np.zeros_like(g_k), kind)
    if method.startswith("moco"):
        close(after.T, golden("queue_after"), kind)


def unit(seed, *shape):
    return l2_normalize(jax.random.normal(jax.random.key(seed), shape))


@pytest.mark.parametrize("loss", [selfsup.npair, selfsup.byol])
def test_full_weight_on_the_own_image_or_an_identical_partner_is_no_mixing(loss):
    q, k, some = unit(0, 6, 4), unit(1, 6, 4), jnp.asarray([3, 1, 0, 2, 5, 4])
    plain = loss(q, k)
    np.testing.assert_allclose(loss(q, k, partner=some, lam=jnp.ones(6)), plain, rtol=1e-6)
    np.testing.assert_allclose(loss(q, k, partner=jnp.arange(6), lam=jnp.full(6, 0.7)), plain, rtol=1e-6)


def test_a_queue_orthogonal_to_the_queries_only_adds_its_count():
    q, k = jnp.pad(unit(0, 5, 3), ((0, 0), (0, 1))), jnp.pad(unit(1, 5, 3), ((0, 0), (0, 1)))
    queue = jnp.zeros((7, 4)).at[:, 3].set(1.0)
    logits = selfsup.similarities(q, k, temperature=0.2)
    want = jnp.mean(jnp.log(jnp.exp(logits).sum(1) + 7) - jnp.diagonal(logits))
    np.testing.assert_allclose(selfsup.mocon(q, k, queue, temperature=0.2), want, rtol=1e-5)


def test_retrieval_counts_the_own_column_among_the_largest():
    logits = jnp.asarray([[3.0, 1.0, 2.0], [3.0, 2.0, 1.0], [1.0, 2.0, 0.0]])
    np.testing.assert_allclose(selfsup.retrieval(logits), 100 / 3, rtol=1e-6)
    np.testing.assert_allclose(selfsup.retrieval(logits, k=2), 200 / 3, rtol=1e-6)
