"""Helpers of the golden tests: the weights of golden/models/README.md, and their way into a Functional."""
import json
import pathlib
import zlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = (ROOT / "parity_tests" / "golden", ROOT.parent / "shared" / "golden")     # the second, if there, has all
TORCH_LEAF = {"kernel": "weight", "scale": "weight", "mean": "running_mean", "var": "running_var"}
TO_JAX = {"conv": (2, 3, 1, 0), "conv_transpose": (2, 3, 0, 1), "linear": (1, 0)}
TO_TORCH = {"conv": (3, 2, 0, 1), "conv_transpose": (2, 3, 0, 1), "linear": (1, 0)}


def draw(key: str, shape, salt: str = "", gain: float = 1.0) -> np.ndarray:
    """The deterministic value of a torch tensor, float32."""
    leaf = key.rsplit(".", 1)[-1]
    z = np.random.Generator(np.random.PCG64(zlib.crc32((salt + key).encode()))).standard_normal(shape)
    if leaf in ("running_mean", "bias"):
        z = 0.1 * z
    elif leaf == "running_var":
        z = 1 + 0.2 * np.abs(z)
    elif len(shape) == 1:
        z = 1 + 0.1 * z
    else:
        z = z * gain * np.sqrt(2 / np.prod(shape[1:]))
    return z.astype(np.float32)


def torch_key(path) -> str:
    return ".".join((*path[:-1], TORCH_LEAF.get(path[-1], path[-1])))


def to_jax(value: np.ndarray, kind: str, leaf: str) -> np.ndarray:
    if leaf != "kernel":
        return value
    value = np.asarray(value).transpose(TO_JAX[kind])
    return value[::-1, ::-1] if kind == "conv_transpose" else value


def to_torch(value: np.ndarray, kind: str, leaf: str) -> np.ndarray:
    if leaf != "kernel":
        return np.asarray(value)
    value = np.asarray(value)
    return (value[::-1, ::-1] if kind == "conv_transpose" else value).transpose(TO_TORCH[kind])


def variables_from(functional, state_dict: dict, dtype) -> dict:
    """Strict: every leaf is found by its torch key, in the right shape; only num_batches_tracked may be left over."""
    variables = {"params": {}, "batch_stats": {}}
    unused = {k for k in state_dict if not k.endswith("num_batches_tracked")}
    for path, kind in functional.leaf_paths:
        part = "batch_stats" if path[-1] in ("mean", "var") else "params"
        want, node = functional.abstract[part], variables[part]
        for name in path[:-1]:
            want, node = want[name], node.setdefault(name, {})
        value = to_jax(state_dict[torch_key(path)], kind, path[-1])
        assert value.shape == want[path[-1]].shape, (path, value.shape, want[path[-1]].shape)
        node[path[-1]] = jnp.asarray(value.copy(), dtype)
        unused.discard(torch_key(path))
    assert not unused, unused
    assert jax.tree.structure(variables) == jax.tree.structure(functional.abstract)
    return variables


def leaf(tree: dict, path) -> jax.Array:
    for name in path:
        tree = tree[name]
    return tree


def find(functional, key: str):
    """(path, kind) of a torch key."""
    return next(item for item in functional.leaf_paths if torch_key(item[0]) == key)


def golden_file(name: str) -> pathlib.Path:
    """The file golden/NAME.npz, ours or that of ../shared; skips the test if neither is there."""
    for folder in FOLDERS:
        if (folder / f"{name}.npz").is_file():
            return folder / f"{name}.npz"
    pytest.skip(f"{name}.npz is only in ../shared/golden, which is not beside this project")


class Golden:
    """One file of golden/models."""

    def __init__(self, name: str):
        self.data = np.load(golden_file(f"models/{name}"))
        self.meta, self.manifest = json.loads(str(self.data["meta"])), json.loads(str(self.data["manifest"]))

    def variables(self, net, dtype) -> dict:
        state_dict = {key: draw(key, shape, self.meta["salt"], self.meta["gain"]) for key, shape, _ in self.manifest}
        return variables_from(net, state_dict, dtype)

    def images(self, dtype) -> jax.Array:
        x = np.random.default_rng(self.meta["input_seed"]).standard_normal(self.meta["input_shape"]).astype(np.float32)
        return jnp.asarray(x.transpose(0, 2, 3, 1), dtype)
