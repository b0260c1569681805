"""A memory with a row for every training sample, for both networks: how it starts, is scored and is updated."""
from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from kdjax import losses
from kdjax.errors import UserError
from kdjax.methods.memories import sampling

EPS = 1e-7  # of losses.crd


class Draw(NamedTuple):
    """Who is compared in a step: positive [B] (rows of the banks); negative [B, N] (how often each row is in), each
    counting times [B, 1]."""

    positive: jax.Array
    negative: jax.Array
    times: jax.Array


def check(method: str, options) -> None:
    """Refuses memories that do not exist, and banks without negatives."""
    if options.memory not in ("bank", "queue"):
        raise UserError(f"config.method.{method}.memory={options.memory!r} is not a memory; use 'bank' or 'queue'")
    if options.num_negatives < 1:
        raise UserError(f"config.method.{method}.num_negatives={options.num_negatives} is too small; use at least 1")


def init(key: jax.Array, labels: jax.Array, dim: int, num_classes: int) -> dict:
    """Banks [N, dim], uniform with rows of about unit length; the two constants, unset (-1); the table of classes."""
    bound, keys = (dim / 3) ** -0.5, jax.random.split(key)
    bank_s, bank_t = (jax.random.uniform(k, (len(labels), dim), minval=-bound, maxval=bound) for k in keys)
    return {"bank_s": bank_s, "bank_t": bank_t, "norm_s": jnp.full((), -1.0), "norm_t": jnp.full((), -1.0),
            "table": sampling.class_table(labels, num_classes)}


def draw(key: jax.Array, batch) -> dict[str, jax.Array]:
    """A step's random numbers: where in its class each positive lies, and the keys of each row's negatives."""
    key_positive, key_negative = jax.random.split(key)
    return {"within": jax.random.uniform(key_positive, batch.labels.shape, jnp.float32),
            "keys": sampling.draw_keys(key_negative, len(batch.labels))}


def drawn(ctx, table: dict, num: int, mode: str = "exact") -> Draw:
    """The step's positives (mode "exact": the sample itself, "relax": one of its class) and `num` negatives."""
    same = ctx.index if mode == "exact" else sampling.same_class(ctx.draws["within"], ctx.labels, table)
    return Draw(same, *sampling.negatives(ctx.draws["keys"], ctx.labels, table, num))


def scores(z: jax.Array, bank: jax.Array, temperature: float) -> jax.Array:
    """z [B, D] against every row of the bank, [B, N]: one product, 20 times less traffic than K gathered rows each."""
    return jnp.matmul(z / temperature, jax.lax.stop_gradient(bank).T, precision="highest")


def positive_scores(z: jax.Array, bank: jax.Array, rows: jax.Array, temperature: float) -> jax.Array:
    """z [B, D] against one row each, [B]."""
    return jnp.sum(z * jax.lax.stop_gradient(bank[rows]), axis=1) / temperature


def drawn_sum(x: jax.Array, drawn: Draw) -> jax.Array:
    """Sum [B] of the drawn columns of x [B, N]."""
    return jnp.sum(jnp.where(drawn.negative, x * drawn.negative, 0), axis=1) * drawn.times[:, 0].astype(x.dtype)


def masked_norm(positive: jax.Array, every: jax.Array, drawn: Draw, num: int, norm: jax.Array) -> jax.Array:
    """`losses.score_norm` without a gather: `norm` if it is set, else N times the exponentials' mean; detached."""
    fresh = jnp.sum(jnp.exp(positive) + drawn_sum(jnp.exp(every), drawn)) / (len(every) * (num + 1)) * every.shape[1]
    return jax.lax.stop_gradient(jnp.where(norm < 0, fresh, norm))


def masked_nce(positive: jax.Array, every: jax.Array, drawn: Draw, num: int,
               norm: jax.Array) -> tuple[jax.Array, jax.Array]:
    """`losses.nce_from_scores` without a gather: (loss, norm used) of positives [B] and the drawn columns of [B, N]."""
    norm, noise = masked_norm(positive, every, drawn, num, norm), num / every.shape[1]
    level = jnp.log(norm * (noise + EPS))
    attract = jax.nn.softplus(level - positive)
    repel = drawn_sum(jax.nn.softplus(every - level), drawn) + num * jnp.log1p(jnp.asarray(EPS / noise, every.dtype))
    return jnp.mean(attract + repel), norm


def masked_log_softmax(x: jax.Array, drawn: Draw) -> tuple[jax.Array, jax.Array]:
    """(how often [B, N] each column is drawn, the positive's once more; log-probabilities [B, N] of one draw of it, 0
    where it is never drawn)."""
    own = jnp.arange(x.shape[1]) == drawn.positive[:, None]
    often = (own + drawn.negative * drawn.times).astype(x.dtype)
    level = jnp.where(often > 0, x + jnp.log(jnp.maximum(often, 1e-9)), -jnp.inf)
    return often, jnp.where(often > 0, x - jax.nn.logsumexp(level, axis=1, keepdims=True), 0)


def update(memory: dict, index: jax.Array, z_s: jax.Array, z_t: jax.Array, momentum: float) -> dict:
    """The memory with the rows of this batch moved towards z in both banks, always at the samples' own rows."""
    moved = lambda bank, z: bank.at[index].set(losses.memory_update(bank[index], z, momentum=momentum))
    return memory | {"bank_s": moved(memory["bank_s"], z_s), "bank_t": moved(memory["bank_t"], z_t)}
