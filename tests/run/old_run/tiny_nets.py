"""The network of the run folder beside this file."""
import jax
from flax import nnx


class Tiny(nnx.Module):
    """Two strided convolutions with a map each, a pooled vector, a classifier."""

    trunk = ("stem", "body")

    def __init__(self, num_classes, rngs):
        self.stem = nnx.Conv(3, 4, (3, 3), strides=4, rngs=rngs)
        self.norm = nnx.BatchNorm(4, rngs=rngs)
        self.body = nnx.Conv(4, 8, (3, 3), strides=2, rngs=rngs)
        self.fc = nnx.Linear(8, num_classes, rngs=rngs)

    def __call__(self, x):
        first = jax.nn.relu(self.norm(self.stem(x)))
        second = jax.nn.relu(self.body(first))
        embedding = second.mean((1, 2))
        return self.fc(embedding), {"maps": (first, second), "preact": (first, second), "embedding": embedding,
                                    "pre_pool": second}

    def classify(self, embedding):
        return self.fc(embedding)
