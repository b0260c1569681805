"""Negatives for contrastive memories: K samples of other classes, without replacement, for every image of a batch.

The K are a set, so they are drawn as one: `negatives` gives a [B, N] mask, not indices. A random permutation of the
row's pool (all N - n_y samples of other classes) is evaluated at every sample; those that land on the first K places
are in. The permutation is a swap-or-not shuffle (Hoang, Morris, Rogaway, CRYPTO 2012): a few rounds of integer
arithmetic, a bijection on any range. So exactly K are in, with no sort, no loop, and no table but each sample's rank.
"""
from __future__ import annotations

import jax
import jax.numpy as jnp

ROUNDS = 12  # 2**-ROUNDS of the pairs of samples keep their distance in the permutation


def class_table(labels: jax.Array, num_classes: int) -> dict[str, jax.Array]:
    """What `negatives` needs to know of a training set's labels [N].

    by_class [N]: the samples sorted by class; rank [N]: each sample's place in it; first, count [num_classes].
    """
    labels = jnp.asarray(labels)
    by_class = jnp.argsort(labels, stable=True).astype(jnp.int32)
    count = jnp.bincount(labels, length=num_classes).astype(jnp.int32)
    rank = jnp.zeros_like(by_class).at[by_class].set(jnp.arange(len(labels), dtype=jnp.int32))
    return {"by_class": by_class, "rank": rank, "first": jnp.cumsum(count) - count, "count": count}


def draw_keys(key: jax.Array, rows: int) -> jax.Array:
    """The keys of `rows` permutations, uint32 [ROUNDS + 1, 2, rows, 1]."""
    return jax.random.bits(key, (ROUNDS + 1, 2, rows, 1), jnp.uint32)


def negatives(keys: jax.Array, labels: jax.Array, table: dict, num: int) -> tuple[jax.Array, jax.Array]:
    """(mask [B, N] bool, times [B, 1]): `num` samples of other classes than labels [B]; keys: `draw_keys`.

    Where the pool is smaller than `num`, all of it is in and each member counts times = num / pool > 1, which is the
    expectation of the originals' draw with replacement; elsewhere times is 1.
    """
    first, count = table["first"][labels][:, None], table["count"][labels][:, None]
    rank, pool = table["rank"][None, :], (len(table["rank"]) - count).astype(jnp.uint32)
    own = (rank >= first) & (rank < first + count)
    place = jnp.where(own, 0, jnp.where(rank < first, rank, rank - count)).astype(jnp.uint32)
    times = jnp.maximum(num / pool.astype(float), 1.0)
    return (shuffle(place, pool, keys) < num) & ~own, times


def shuffle(place: jax.Array, size: jax.Array, keys: jax.Array) -> jax.Array:
    """A permutation of [0, size) at `place`, all uint32 and broadcast together; keys [rounds + 1, 2, ...] choose it.

    The first key turns the circle, which makes every place equally likely; each round then pairs the places by a random
    reflection and swaps a random half of the pairs.
    """
    turn = keys[0, 0] % size
    place = jnp.where(place < size - turn, place + turn, place - (size - turn))
    for reflection, salt in keys[1:]:
        mirror = reflection % size
        partner = jnp.where(place <= mirror, mirror - place, mirror + (size - place))
        swap = scramble(jnp.maximum(place, partner) ^ salt) >> 31
        place = jnp.where(swap == 1, partner, place)
    return place


def scramble(x: jax.Array) -> jax.Array:
    """A cheap hash of uint32 whose top bit depends on all bits."""
    x = (x ^ (x >> 16)) * jnp.uint32(0x7FEB352D)
    return (x ^ (x >> 15)) * jnp.uint32(0x846CA68B)


def same_class(within: jax.Array, labels: jax.Array, table: dict) -> jax.Array:
    """One sample [B] int32 of each image's own class (possibly itself): the one at `within` [B], in [0, 1), of it."""
    count = table["count"][labels]
    place = jnp.minimum((within * count).astype(jnp.int32), count - 1)
    return table["by_class"][table["first"][labels] + place]
