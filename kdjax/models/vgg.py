"""VGG with batch norm (Simonyan & Zisserman, ICLR 2015) as in RepDistiller, and DS-SRD's 3-neuron heads."""
import jax
import jax.numpy as jnp
from flax import nnx

from kdjax.models import layers
from kdjax.models.layers import BatchNorm, Between, Conv, Linear, Sequence, keep, max_pool, relu
from kdjax.models.network import Features, Output

CONVS = {8: (1, 1, 1, 1, 1), 11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
WIDTHS = (64, 128, 256, 512, 512)


def _block(inputs: int, outputs: int, n: int, rngs: nnx.Rngs) -> Sequence:
    """n times conv, batch norm, ReLU, without the last ReLU: torch positions 3j, 3j+1, 3j+2."""
    parts = []
    for j in range(n):
        conv = Conv(outputs if j else inputs, outputs, 3, bias=True, rngs=rngs)
        parts += [conv, BatchNorm(outputs), relu]
    return Sequence(*parts[:-1])


class VGG(nnx.Module):
    """Five blocks. The stem's pre-activation in the list is its post-ReLU map, as in the originals.

    embed_width: neurons of an extra linear layer between the pooled vector and the classifier, its rows normalised
    (DS-SRD: 3).
    """
    trunk = ("block0", "block1", "block2", "block3", "block4")

    def __init__(self, depth: int, num_classes: int, embed_width: int = 0, *, rngs: nnx.Rngs):
        inputs = (3, *WIDTHS)
        for i, n in enumerate(CONVS[depth]):
            setattr(self, f"block{i}", _block(inputs[i], WIDTHS[i], n, rngs))
        self.embed = Linear(512, embed_width, layers.NORMAL_001, rngs=rngs) if embed_width else None
        self.classifier = Linear(embed_width or 512, num_classes, layers.NORMAL_001, rngs=rngs)

    def __call__(self, x: jax.Array, between: Between = keep) -> Output:
        pool_before = (False, True, True, True, x.shape[1] == 64)      # the fourth pool only at height 64 exactly
        maps, preact = [], []
        for i, name in enumerate(self.trunk):
            before = getattr(self, name)(max_pool(x) if pool_before[i] else x)
            x = between(i, relu(before)) if i else relu(before)
            maps.append(x)
            preact.append(before if i else x)
        embedding = layers.global_average_pool(x)
        return Output(self.classify(embedding), Features(tuple(maps), tuple(preact), embedding, x))

    def classify(self, embedding: jax.Array) -> jax.Array:
        return self.classifier(embedding if self.embed is None else _unit(self.embed(embedding)))

    @property
    def preact_norms(self) -> tuple[tuple[str, ...], ...]:
        """Paths of the batch norms behind preact[1:], whose scale and bias give Overhaul's margins."""
        return tuple((name, str(len(getattr(self, name)) - 1)) for name in self.trunk[1:])


def _unit(x: jax.Array) -> jax.Array:
    """Rows divided by max(||x||_2, 1e-12)."""
    return x / jnp.sqrt(jnp.maximum(jnp.square(x).sum(-1, keepdims=True), 1e-24))
