"""i-Mix and InputMix on the device: draws apart from the operators, so that a test can give its own.

Inputs are already augmented and normalised: images or spectrograms [B, H, W, C], rows of a table [B, F], or the maps of
a hidden layer. Source: spec/self_supervised.md, 2.5 (i-Mix, Lee et al., ICLR 2021).
"""
import jax
import jax.numpy as jnp

Draws = dict[str, jax.Array]


def draw_imixup(key: jax.Array, n: int, alpha: float = 1.0) -> Draws:
    """lam_raw [n] ~ Beta(alpha, alpha), one an image; partner [n], a permutation."""
    lam, partner = jax.random.split(key)
    return {"lam_raw": jax.random.beta(lam, alpha, alpha, (n,)), "partner": jax.random.permutation(partner, n)}


def draw_icutmix(key: jax.Array, n: int, shape: tuple[int, int], alpha: float = 1.0) -> Draws:
    """lam_raw, one a batch; partner [n]; centre [2] int, (row, column) uniform over the pixels of `shape`."""
    lam, partner, centre = jax.random.split(key, 3)
    return {"lam_raw": jax.random.beta(lam, alpha, alpha), "partner": jax.random.permutation(partner, n),
            "centre": jax.random.randint(centre, (2,), 0, jnp.asarray(shape))}


def draw_inputmix(key: jax.Array, n: int, count: int, alpha: float = 1.0) -> Draws:
    """For n rows: partners [count, n], permutations; weights [n, count + 1] ~ Dirichlet, column 0 the row's own."""
    weights, *keys = jax.random.split(key, count + 1)
    partners = jnp.stack([jax.random.permutation(k, n) for k in keys])
    return {"partners": partners, "weights": jax.random.dirichlet(weights, jnp.full(count + 1, alpha), (n,))}


def at_least_half(lam_raw: jax.Array) -> jax.Array:
    """max(lam, 1 - lam): the own image always weighs more."""
    return jnp.maximum(lam_raw, 1 - lam_raw)


def imixup(x: jax.Array, partner: jax.Array, lam_raw: jax.Array) -> tuple[jax.Array, jax.Array]:
    """(lam_i x_i + (1 - lam_i) x_partner, lam [B])."""
    lam = at_least_half(lam_raw)
    wide = _rows(lam, x)
    return wide * x + (1 - wide) * x[partner], lam


def icutmix(x: jax.Array, partner: jax.Array, lam_raw: jax.Array, centre: jax.Array) -> tuple[jax.Array, jax.Array]:
    """(x [B, H, W, ...] with a box from the partner, lam [B] = 1 - the box's share of the image).

    The box has sides floor(size * sqrt(1 - lam)) about `centre` (row, column), clipped to the image: a batch shares it.
    """
    box = cut_box(at_least_half(lam_raw), centre, x.shape[1:3])
    inside, area = _inside(box, x.shape[1:3])
    lam = 1 - area / (x.shape[1] * x.shape[2])
    mask = inside.reshape(1, *x.shape[1:3], *(1,) * (x.ndim - 3))
    return jnp.where(mask, x[partner], x), jnp.full(len(x), lam, jnp.result_type(lam_raw))


def cut_box(lam: jax.Array, centre: jax.Array, shape: tuple[int, int]) -> jax.Array:
    """[row0, col0, row1, col1], half open."""
    sizes = jnp.asarray(shape)
    half = jnp.floor(sizes * jnp.sqrt(1 - lam)).astype(jnp.int32) // 2
    return jnp.concatenate([jnp.clip(centre - half, 0, sizes), jnp.clip(centre + half, 0, sizes)])


def inputmix(x: jax.Array, partners: jax.Array, weights: jax.Array) -> jax.Array:
    """w_0 x + sum_j w_j x[partner_j], with the weights halved and 1/2 given to the own row. Labels are not mixed."""
    weights = (weights / 2).at[:, 0].add(0.5)
    mixed = _rows(weights[:, 0], x) * x
    for j, partner in enumerate(partners, 1):
        mixed = mixed + _rows(weights[:, j], x) * x[partner]
    return mixed


def inputmix_pair(x: jax.Array, partner: jax.Array, lam_raw: jax.Array) -> jax.Array:
    """InputMix with one partner (n = 1): i-mixup without its label."""
    return imixup(x, partner, lam_raw)[0]


def _inside(box: jax.Array, shape: tuple[int, int]) -> tuple[jax.Array, jax.Array]:
    """([H, W] bool, the number of pixels inside)."""
    rows, columns = jnp.arange(shape[0]), jnp.arange(shape[1])
    inside = ((rows >= box[0]) & (rows < box[2]))[:, None] & ((columns >= box[1]) & (columns < box[3]))[None]
    return inside, (box[2] - box[0]) * (box[3] - box[1])


def _rows(values: jax.Array, x: jax.Array) -> jax.Array:
    """[B] values, broadcast along x's other axes, in x's dtype."""
    return values.reshape(-1, *(1,) * (x.ndim - 1)).astype(x.dtype)
