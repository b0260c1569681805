"""SemCKD's attention over pairs of student and teacher maps (Chen et al., AAAI 2021), as in distillers."""
import jax
import jax.numpy as jnp
from flax import nnx

from kdjax.methods.adapters.maps import Shape, plain_conv, shrink
from kdjax.methods.adapters.vectors import MLPEmbed
from kdjax.models.layers import BatchNorm, Sequence, relu
from kdjax.models.network import Functional


class Proj(nnx.Module):
    """`regressor` = 1x1, 3x3, 1x1 convolutions through 2 C_t channels, batch norm and ReLU between them."""

    def __init__(self, channels_s: int, channels_t: int, *, rngs: nnx.Rngs):
        c = 2 * channels_t
        self.regressor = Sequence(plain_conv(channels_s, c, 1, rngs=rngs), BatchNorm(c), relu,
                                  plain_conv(c, c, 3, rngs=rngs), BatchNorm(c), relu,
                                  plain_conv(c, channels_t, 1, rngs=rngs))

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.regressor(x)


class SelfA(nnx.Module):
    """query_i, key_j: MLPs on the rows of the batch's Gram matrices; regressor{i}{j}: map i projected to map j."""

    def __init__(self, batch_size: int, shapes_s: tuple[Shape, ...], shapes_t: tuple[Shape, ...], factor: int, *,
                 rngs: nnx.Rngs):
        width = batch_size // factor
        for i in range(len(shapes_s)):
            setattr(self, f"query_{i}", MLPEmbed(batch_size, 2 * width, width, rngs=rngs))
        for j in range(len(shapes_t)):
            setattr(self, f"key_{j}", MLPEmbed(batch_size, 2 * width, width, rngs=rngs))
        for i, s in enumerate(shapes_s):
            for j, t in enumerate(shapes_t):
                setattr(self, f"regressor{i}{j}", Proj(s[2], t[2], rngs=rngs))

    def __call__(self, g_s: tuple[jax.Array, ...], g_t: tuple[jax.Array, ...]):
        query = jnp.stack([getattr(self, f"query_{i}")(gram(x)) for i, x in enumerate(g_s)], 1)
        key = jnp.stack([getattr(self, f"key_{j}")(gram(x)) for j, x in enumerate(g_t)], 1)
        proj = [[getattr(self, f"regressor{i}{j}")(shrink(s, t.shape[1])) for j, t in enumerate(g_t)]
                for i, s in enumerate(g_s)]
        target = [[shrink(t, s.shape[1]) for t in g_t] for s in g_s]
        return proj, target, query, key


def gram(x: jax.Array) -> jax.Array:
    """[B, ...] -> [B, B]: the inner products of the flattened samples."""
    x = x.reshape(x.shape[0], -1)
    return jnp.matmul(x, x.T, precision="highest")


def semckd(batch_size: int, shapes_s: tuple[Shape, ...], shapes_t: tuple[Shape, ...], factor: int = 4) -> Functional:
    """(g_s, g_t) -> (proj, target, query, key) for losses.semckd(proj, target, losses.semckd_weights(query, key)).

    proj, target: nested lists [S][T] of maps of equal shape; query [B, S, batch_size // factor], key [B, T, ...], unit
    rows. The batch size is fixed by the parameters. The originals' MLPs own a second, never used stack of layers; it is
    left out here.
    """
    return Functional(lambda rngs: SelfA(batch_size, tuple(shapes_s), tuple(shapes_t), factor, rngs=rngs))
