"""Prototypes: several clusterings of the training set's features, and the columns that a batch is compared with."""
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from kdjax import losses
from kdjax.methods.memories.clustering import kmeans

Array = jax.Array


class Columns(NamedTuple):
    """What a batch is compared with, a clustering a list entry: its own prototypes, with duplicates, then negatives.

    prototypes [M, D], density [M], present [M] bool (False: there were not enough negatives).
    """

    prototypes: list
    density: list
    present: list


def empty(n: int, width: int, num_clusters: Sequence[int]) -> dict:
    """The memory before the first clustering: per clustering, assign_i [n], centroids_i [k, width], density_i [k]."""
    memory = {"ready": jnp.zeros((), bool)}
    for i, k in enumerate(num_clusters):
        memory |= {f"assign_{i}": jnp.zeros(n, jnp.int32), f"centroids_{i}": jnp.zeros((k, width)),
                   f"density_{i}": jnp.ones(k)}
    return memory


def cluster(features: np.ndarray, num_clusters: Sequence[int], key: Array, *, temperature: float = 0.1,
            halve: bool = False, num_iters: int = 20, restarts: int = 5,
            after: Callable[[], None] = lambda: None) -> dict:
    """A full memory (see `empty`) of features [N, D], one k-means a number of clusters.

    Features are normalised first; halve: as released, rows longer than 1.5 are halved instead. Centroids are
    normalised afterwards, densities measured before (losses.prsd_density, mean `temperature`).
    """
    features = jnp.asarray(features)
    features = halved(features) if halve else losses.l2_normalize(features)
    memory = {"ready": jnp.ones((), bool)}
    for i, k in enumerate(num_clusters):
        centroids, assign, sq_dist = kmeans(features, k, jax.random.fold_in(key, i), num_iters=num_iters,
                                            restarts=restarts, after=after)
        density = losses.prsd_density(np.asarray(sq_dist), np.asarray(assign), k, temperature=temperature)
        memory |= {f"assign_{i}": assign, f"centroids_{i}": losses.l2_normalize(centroids),
                   f"density_{i}": jnp.asarray(density, centroids.dtype)}
    return memory


def halved(features: Array) -> Array:
    """Rows of norm above 1.5 halved: a leftover of the release, which took them for sums of duplicates."""
    norm = jnp.linalg.norm(features, axis=1, keepdims=True)
    return jnp.where(norm > 1.5, features / 2, features)


def negatives(score: Array, assign: Array, count: int) -> tuple[Array, Array]:
    """(ids int32 [m], present bool [m]), m = min(count, k): the clusters of the highest scores [k] among those that no
    image of the batch (assign [B]) belongs to; where these run out, the rest is not present.

    Independent Gumbel (or any other continuous) scores make it a uniform draw without replacement.
    """
    own = jnp.zeros(len(score), bool).at[assign].set(True)
    best, ids = jax.lax.top_k(jnp.where(own, -jnp.inf, score), min(count, len(score)))
    return ids.astype(jnp.int32), best > -jnp.inf


def columns(memory: dict, index: Array, chosen: Sequence[tuple[Array, Array]]) -> Columns:
    """The columns of the images `index` [B], with the given (ids, present) of each clustering as negatives."""
    out = Columns([], [], [])
    for i, (ids, there) in enumerate(chosen):
        rows = jnp.concatenate([memory[f"assign_{i}"][index], ids])
        out.prototypes.append(memory[f"centroids_{i}"][rows])
        out.density.append(memory[f"density_{i}"][rows])
        out.present.append(jnp.concatenate([jnp.ones(len(index), bool), there]))
    return out
