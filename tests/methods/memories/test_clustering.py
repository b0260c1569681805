"""k-means on the device, and the prototypes made of it."""
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kdjax.errors import UserError
from kdjax.methods.memories import clustering, prototypes

CENTRES = 10 * np.random.default_rng(0).normal(size=(7, 4)).astype(np.float32)
POINTS = np.repeat(CENTRES, 20, axis=0) + 0.1 * np.random.default_rng(1).normal(size=(140, 4)).astype(np.float32)


def test_separated_clusters_are_found():
    centroids, assign, sq_dist = clustering.kmeans(POINTS, 7, jax.random.key(0))
    assert len(np.unique(assign)) == 7
    assert (np.asarray(assign).reshape(7, 20) == np.asarray(assign)[::20, None]).all()
    assert float(sq_dist.max()) < 0.5
    np.testing.assert_allclose(np.sort(np.asarray(centroids)[:, 0]), np.sort(CENTRES[:, 0]), atol=0.1)


def test_clusters_are_a_function_of_the_key():
    one, same, other = (clustering.kmeans(POINTS, 5, jax.random.key(s), restarts=1)[0] for s in (3, 3, 4))
    np.testing.assert_array_equal(one, same)
    assert (np.asarray(one) != np.asarray(other)).any()


def test_more_restarts_never_end_worse():
    noise = np.random.default_rng(2).normal(size=(200, 3)).astype(np.float32)
    few, many = (float(clustering.kmeans(noise, 9, jax.random.key(0), restarts=r)[2].sum()) for r in (1, 6))
    assert many <= few * 1.001


def test_a_cluster_without_members_becomes_half_of_the_largest():
    far = np.full((2, 4), 1e3, np.float32)
    start = np.concatenate([CENTRES[:5], far])  # two starts that no point is near
    centroids, assign, sq_dist = clustering.lloyd(POINTS, start, num_iters=20)
    assert (np.bincount(assign, minlength=7) > 0).all()
    assert np.abs(np.asarray(centroids)).max() < 100


def test_the_largest_cluster_is_split_and_the_two_halves_differ():
    centroids = jnp.asarray([[1.0, 2.0], [3.0, 4.0], [9.0, 9.0]])
    out = np.asarray(clustering.split_largest(centroids, jnp.asarray([2, 30, 0])))
    np.testing.assert_array_equal(out[0], centroids[0])
    np.testing.assert_allclose(out[1:], [[3, 4]] * 2, rtol=2e-3)
    assert (out[1] != out[2]).all()


def test_one_start_is_drawn_in_every_far_away_cluster():
    starts = clustering.plus_plus(jnp.asarray(POINTS), jax.random.key(5), 7)
    nearest = ((np.asarray(starts)[:, None] - CENTRES) ** 2).sum(-1).argmin(1)
    assert set(nearest) == set(range(7))


def test_more_clusters_than_samples_are_refused_in_a_sentence():
    with pytest.raises(UserError, match="200 clusters of 140 samples: lower"):
        clustering.kmeans(POINTS, 200, jax.random.key(0))


def test_prototypes_are_unit_rows_for_every_number_of_clusters():
    memory = prototypes.cluster(POINTS, [3, 7], jax.random.key(0), restarts=2)
    before = prototypes.empty(140, 4, [3, 7])
    assert {k: v.shape for k, v in memory.items()} == {k: v.shape for k, v in before.items()}
    assert {k: v.dtype for k, v in memory.items()} == {k: v.dtype for k, v in before.items()}
    assert bool(memory["ready"])
    assert not bool(before["ready"])
    np.testing.assert_allclose(np.linalg.norm(memory["centroids_1"], axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose([memory["density_0"].mean(), memory["density_1"].mean()], 0.1, rtol=1e-5)


def test_negatives_are_distinct_never_the_batchs_own_and_reach_the_last_cluster():
    own = jnp.asarray([0, 3, 3, 5])
    scores = jax.random.gumbel(jax.random.key(0), (600, 9))
    ids, present = jax.vmap(lambda score: prototypes.negatives(score, own, 4))(scores)
    assert present.all()
    assert all(len(set(row.tolist())) == 4 for row in np.asarray(ids))
    seen, counts = np.unique(np.asarray(ids), return_counts=True)
    assert seen.tolist() == [1, 2, 4, 6, 7, 8]
    assert np.abs(counts - 400).max() < 80


def test_where_negatives_run_out_the_rest_is_marked():
    ids, present = prototypes.negatives(jnp.arange(5.0), jnp.asarray([0, 1, 2]), 100)
    assert ids.shape == (5,)
    assert present.tolist() == [True, True, False, False, False]
    assert ids[:2].tolist() == [4, 3]


def test_columns_are_the_batchs_own_prototypes_in_order_then_the_negatives():
    memory = prototypes.cluster(POINTS, [7], jax.random.key(0), restarts=1)
    index = jnp.asarray([0, 1, 139])
    columns = prototypes.columns(memory, index, [(jnp.asarray([2, 6]), jnp.asarray([True, False]))])
    rows = np.concatenate([np.asarray(memory["assign_0"])[[0, 1, 139]], [2, 6]])
    np.testing.assert_array_equal(columns.prototypes[0], np.asarray(memory["centroids_0"])[rows])
    assert columns.present[0].tolist() == [True] * 4 + [False]
