"""Between the two layouts: the reference's NCHW maps in torch, kdjax's NHWC maps in JAX; numpy in between."""
from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import torch


def nhwc(x: np.ndarray) -> np.ndarray:
    """Maps transposed, vectors as they are."""
    return x.transpose(0, 2, 3, 1) if np.ndim(x) == 4 else x


def nchw(x) -> np.ndarray:
    x = np.asarray(x)
    return x.transpose(0, 3, 1, 2) if x.ndim == 4 else x


def to_jax(tree, dtype=None):
    """Nested lists of NCHW numpy arrays -> the same of NHWC JAX arrays; floats in `dtype` if given."""
    def leaf(x):
        x = nhwc(np.asarray(x))
        return jnp.asarray(x.astype(dtype) if dtype and x.dtype.kind == "f" else x)

    return jax.tree.map(leaf, tree)


def to_torch(tree, grad=False):
    """Nested lists of numpy arrays -> the same of torch tensors, floating ones as leaves if grad."""
    def leaf(x):
        t = torch.from_numpy(np.array(x))
        return t.requires_grad_() if grad and t.is_floating_point() else t

    return jax.tree.map(leaf, tree)


def from_jax(tree):
    """Nested lists of JAX arrays -> a flat list of NCHW numpy arrays."""
    return [nchw(x) for x in jax.tree.leaves(tree)]


def from_torch(tree):
    """Nested lists of tensors -> a flat list of numpy arrays; None (no gradient) stays None."""
    return [t if t is None else t.detach().numpy() for t in jax.tree.leaves(tree, is_leaf=lambda t: t is None)]
