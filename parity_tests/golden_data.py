"""The golden files: where they are, and the weights and batches that they do not store but define.

The rules are those of ../shared/golden/{models,trajectories}/README.md, in numpy only, so that the torch reference and
the JAX replay start from the same numbers. A copy of most files lies in parity_tests/golden; `../shared` beside the
project, if present, has them all.
"""
from __future__ import annotations

import json
import math
import pathlib
import zlib

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
LOCAL, SHARED = HERE / "golden", HERE.parents[1] / "shared" / "golden"


def files(kind: str) -> list[pathlib.Path]:
    """Golden files of a kind ("losses", "models", "models/adapters", "trajectories"): ours, then ../shared's others."""
    ours = {p.name: p for p in sorted((LOCAL / kind).glob("*.npz"))}
    theirs = {p.name: p for p in sorted((SHARED / kind).glob("*.npz")) if p.name not in ours}
    return [*ours.values(), *theirs.values()]


def is_local(path: pathlib.Path) -> bool:
    return LOCAL in path.parents


def read(path) -> dict[str, np.ndarray]:
    """All arrays of a golden file; `meta` and `manifest` already parsed from JSON."""
    with np.load(path) as data:
        out = dict(data)
    for key in ("meta", "manifest"):
        if key in out:
            out[key] = json.loads(str(out[key]))
    return out


class LossCase:
    """One case of a golden/losses file: `case["f_s"]`, `case.h["temperature"]`, `case.many("g_s")` for lists."""

    def __init__(self, data: dict, index: int):
        self._data, self._prefix = data, f"c{index}_"
        self.h = json.loads(str(self["hparams"]))

    def __getitem__(self, key):
        return self._data[self._prefix + key]

    def __contains__(self, key):
        return self._prefix + key in self._data

    def keys(self, start=""):
        """Names in this case that begin with `start`."""
        skip = len(self._prefix)
        return [k[skip:] for k in self._data if k.startswith(self._prefix + start)]

    def count(self, key: str) -> int:
        n = 0
        while f"{key}_{n}" in self:
            n += 1
        return n

    def many(self, key: str) -> list[np.ndarray]:
        return [self[f"{key}_{i}"] for i in range(self.count(key))]

    def parameters(self) -> dict[str, np.ndarray]:
        """The adapter parameters of the case by torch name."""
        return {k[2:].replace("__", "."): self[k] for k in self.keys("p_")}


def loss_cases(path) -> list[LossCase]:
    data = read(path)
    return [LossCase(data, i) for i in range(int(data["n_cases"]))]


def generator(key: str, salt: str = "") -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(zlib.crc32((salt + key).encode())))


def tensor(key: str, shape, salt: str = "", gain: float = 1.0) -> np.ndarray:
    """The initial value of the torch tensor `key`: rounded to float32, returned as float64 (int64 for counters)."""
    leaf, shape = key.rsplit(".", 1)[-1], tuple(shape)
    if leaf == "num_batches_tracked":
        return np.zeros(shape, np.int64)
    if leaf == "log_scale":
        return np.full(shape, math.log(math.exp(5.0 - 1e-5) - 1.0))
    if leaf in ("tau", "b"):
        return np.full(shape, 1.0 if leaf == "tau" else 0.0)
    rng = generator(key, salt)
    return _draw(rng, leaf, shape, gain).astype(np.float32).astype(np.float64)


def _draw(rng, leaf, shape, gain):
    if leaf in ("memory_v1", "memory_v2"):
        bound = 1.0 / math.sqrt(shape[1] / 3)
        return rng.random(shape) * (2 * bound) - bound
    z = rng.standard_normal(shape)
    if leaf == "queue":
        return z / np.sqrt((z * z).sum(1, keepdims=True))
    if leaf in ("running_mean", "bias"):
        return 0.1 * z
    if leaf == "running_var":
        return 1 + 0.2 * np.abs(z)
    if len(shape) == 1:
        return 1 + 0.1 * z
    return z * gain * math.sqrt(2 / math.prod(shape[1:]))


def state_dict(shapes: dict, salt: str = "", gain: float = 1.0) -> dict[str, np.ndarray]:
    """{torch key: shape} -> {torch key: value}."""
    return {key: tensor(key, shape, salt, gain) for key, shape in shapes.items()}


def model_input(meta: dict, prefix: str = "") -> np.ndarray:
    """The input batch of a golden/models file, NCHW (or [N, features]), float64."""
    shape = meta[prefix + "input_shape"]
    x = np.random.default_rng(meta[prefix + "input_seed"]).standard_normal(shape)
    return x.astype(np.float32).astype(np.float64)


def adapter_inputs(meta: dict) -> list[np.ndarray]:
    """The inputs of a golden/models/adapters file, float64."""
    pairs = zip(meta["input_seeds"], meta["input_shapes"], strict=True)
    return [model_input({"input_seed": seed, "input_shape": shape}) for seed, shape in pairs]


def batches(meta: dict) -> list[dict[str, np.ndarray]]:
    """The batches of a trajectory: images NCHW float64, labels, index, contrast (column 0 the positive)."""
    rng, size = np.random.default_rng(meta["seed"]), meta["batch_size"]
    return [_batch(rng, size, meta) for _ in range(meta["steps"])]


def _batch(rng, size, meta):
    z = rng.standard_normal((size, 3, 32, 32))
    scale = 0.25 + 2 * rng.random((size, 1, 1, 1))
    shift = rng.standard_normal((size, 3, 1, 1))
    images = (z * scale + shift).astype(np.float32).astype(np.float64)
    labels = rng.integers(0, meta["num_classes"], size)
    index = rng.permutation(meta["n_data"])[:size]
    q = rng.integers(0, meta["n_data"] - 1, (size, meta["contrast_k"]))
    negatives = q + (q >= index[:, None])
    return {"images": images, "labels": labels, "index": index,
            "contrast": np.concatenate([index[:, None], negatives], axis=1)}


def role_shapes(meta: dict, role: str) -> dict[str, tuple]:
    """{torch key: shape} of the "student" or "adapter" tensors of a trajectory."""
    pairs = zip(meta["names"], meta["shapes"], strict=True)
    return {name.split(":", 1)[1]: tuple(shape) for name, shape in pairs if name.startswith(role + ":")}


def role_state(meta: dict, role: str, shapes: dict | None = None) -> dict[str, np.ndarray]:
    """The initial tensors of a role; the teacher's shapes come from its network, as they are not in the file."""
    shapes = role_shapes(meta, role) if shapes is None else shapes
    return state_dict(shapes, meta["salt_" + role], meta["gain_" + role])
