"""A network's outputs on a whole test set, on the host."""
from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from kdjax.data import views

BATCH = 500


def outputs(net, variables, images: np.ndarray, mean, std, feature: str = "logits") -> np.ndarray:
    """[N, C] logits, or the [N, D] embedding before the classifier (feature="penultimate"), float32.

    images: uint8 [N, H, W, 3]. The network is in evaluation mode.
    """
    def forward(v, x):
        out = net.apply(v, views.normalize(x, mean, std, jnp.float32), train=False)[0]
        return out.logits if feature == "logits" else out.features.embedding

    compiled = jax.jit(forward)
    return np.concatenate([np.asarray(compiled(variables, jnp.asarray(images[k:k + BATCH])))
                           for k in range(0, len(images), BATCH)])
