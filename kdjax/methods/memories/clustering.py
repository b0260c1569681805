"""k-means on the device: Lloyd's iterations from k-means++ starts, several restarts, no cluster left empty."""
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp

from kdjax.errors import UserError

Array = jax.Array
SPLIT = 1 / 1024  # how far the halves of a split cluster move apart, relatively (as in faiss)


def kmeans(features: Array, k: int, key: Array, *, num_iters: int = 20, restarts: int = 5,
           after: Callable[[], None] = lambda: None) -> tuple[Array, Array, Array]:
    """The best of `restarts` runs of `lloyd`, each from its own k-means++ start: (centroids, assign, sq_dist).

    features [N, D]; the result is a pure function of features and key. after: called once a restart, so that a caller
    may stop in between. Raises UserError when there are fewer features than clusters.
    """
    if k > len(features):
        raise UserError(f"{k} clusters of {len(features)} samples: lower method.proto.num_clusters")
    best, least = None, jnp.inf
    for start in jax.random.split(key, restarts):
        found = lloyd(features, plus_plus(features, start, k), num_iters=num_iters)
        inertia = float(jnp.sum(found[2]))
        if best is None or inertia < least:
            best, least = found, inertia
        after()
    return best


def lloyd(features: Array, centroids: Array, *, num_iters: int) -> tuple[Array, Array, Array]:
    """`num_iters` times: every feature to its nearest centroid, every centroid to the mean of its features.

    Returns centroids [K, D], then each feature's nearest one, int32 [N], and the squared distance to it [N]. A cluster
    that loses all its members becomes half of one of the largest. One dispatch an iteration: rolled into a loop, XLA
    runs the products on one core.
    """
    features, centroids = jnp.asarray(features), jnp.asarray(centroids)
    for _ in range(num_iters):
        centroids = _improve(features, centroids)
    return centroids, *nearest(features, centroids)


@partial(jax.jit, static_argnums=2)
def plus_plus(features: Array, key: Array, k: int) -> Array:
    """k-means++ (Arthur, Vassilvitskii 2007): k of the features [k, D], each drawn with a probability proportional to
    its squared distance from those before."""
    keys = jax.random.split(key, k)
    first = features[jax.random.randint(keys[0], (), 0, len(features))]
    distance = lambda centre: jnp.sum((features - centre) ** 2, axis=1)

    def add(i, now):
        chosen, left = now
        # Inverse transform: one uniform number a centre, where a categorical draw takes one a feature.
        mass = jnp.cumsum(left)
        place = jnp.searchsorted(mass, jax.random.uniform(keys[i], (), mass.dtype) * mass[-1], side="right")
        new = features[jnp.minimum(place, len(features) - 1)]
        return chosen.at[i].set(new), jnp.minimum(left, distance(new))

    chosen = jnp.zeros((k, features.shape[1]), features.dtype).at[0].set(first)
    return jax.lax.fori_loop(1, k, add, (chosen, distance(first)))[0]


@jax.jit
def nearest(features: Array, centroids: Array) -> tuple[Array, Array]:
    """(assign int32 [N], squared distance [N]) of each feature's nearest centroid."""
    assign = _assign(features, centroids)
    return assign, jnp.sum((features - centroids[assign]) ** 2, axis=1)


@jax.jit
def _improve(features: Array, centroids: Array) -> Array:
    """One iteration of Lloyd's."""
    k, assign = len(centroids), _assign(features, centroids)
    count = jnp.zeros(k, jnp.int32).at[assign].add(1)
    total = jnp.zeros_like(centroids).at[assign].add(features)
    means = total / jnp.maximum(count, 1)[:, None].astype(total.dtype)
    return split_largest(jnp.where((count > 0)[:, None], means, centroids), count)


def split_largest(centroids: Array, count: Array) -> Array:
    """Each empty cluster in turn takes half of the largest that has not been split yet: both stand at its centre, moved
    apart by a thousandth along alternating coordinates."""
    empty, order = count == 0, jnp.argsort(-count)
    rank = jnp.cumsum(empty) - 1  # of an empty cluster among the empty ones
    donor = order[jnp.clip(rank, 0, len(count) - 1)]
    given = jnp.zeros(len(count), bool).at[jnp.where(empty, donor, len(count))].set(True, mode="drop")
    sign = jnp.where(jnp.arange(centroids.shape[1]) % 2 == 0, SPLIT, -SPLIT).astype(centroids.dtype)
    moved = jnp.where(empty[:, None], centroids[donor] * (1 + sign), centroids)
    return jnp.where((given & ~empty)[:, None], centroids * (1 - sign), moved)


def _assign(features: Array, centroids: Array) -> Array:
    """The nearest centroid: |x|^2 is the same for all of them and left out."""
    products = jnp.einsum("nd,kd->nk", features, centroids, precision="highest")
    return jnp.argmin(jnp.sum(centroids**2, axis=1) - 2 * products, axis=1).astype(jnp.int32)
