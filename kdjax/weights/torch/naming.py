"""Rename and transpose between kdjax variables and torch state dicts: spec/models.md, section 8.

Path components equal torch's, so only the last one changes: kernel -> weight, scale -> weight, mean -> running_mean,
var -> running_var. Axes: convolutions HWIO -> OIHW, linear layers transposed, transposed convolutions also flipped.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from kdjax.errors import UserError

LEAVES = {"kernel": "weight", "scale": "weight", "mean": "running_mean", "var": "running_var"}
COUNTER = "num_batches_tracked"


def from_state_dict(net, state_dict: Mapping) -> dict:
    """Variables {"params", "batch_stats"} of `net`, a kdjax Functional, from a torch state dict.

    state_dict: torch names and layout, NumPy arrays or torch tensors (bfloat16 as torch tensors too). float16 and
    bfloat16 become float32. Strict: every key is used once and every leaf is filled; num_batches_tracked may be there
    for all batch-norm layers or for none, and is dropped. Raises UserError that names the keys otherwise, or for NaN
    and infinity.
    """
    arrays = {key: _array(key, value) for key, value in state_dict.items()}
    check_keys(net, {key: array.shape for key, array in arrays.items()})
    variables: dict = {"params": {}, "batch_stats": {}}
    for path, kind in net.leaf_paths:
        key, collection = torch_key(path), "batch_stats" if path[-1] in ("mean", "var") else "params"
        if not np.isfinite(arrays[key]).all():
            raise UserError(
                f"{key} holds NaN or infinite values; the training that wrote it diverged, so use another checkpoint."
            )
        node = variables[collection]
        for part in path[:-1]:
            node = node.setdefault(part, {})
        node[path[-1]] = jnp.asarray(_to_kdjax(arrays[key], path[-1], kind))
    return variables


def to_state_dict(net, variables: Mapping, counters: Mapping[str, int] | bool = True) -> dict[str, np.ndarray]:
    """The exact inverse of `from_state_dict`: torch names, layout and order of definition, as NumPy arrays.

    counters: num_batches_tracked by layer ("layer1.0.bn1"); True writes 0 for each, False leaves them out (torch 0.4).
    """
    out: dict[str, np.ndarray] = {}
    for path, kind in net.leaf_paths:
        leaf = variables["batch_stats" if path[-1] in ("mean", "var") else "params"]
        for part in path:
            leaf = leaf[part]
        out[torch_key(path)] = np.array(_to_torch(np.asarray(leaf), path[-1], kind), order="C")
        if path[-1] == "var" and counters is not False:
            layer = ".".join(path[:-1])
            out[f"{layer}.{COUNTER}"] = np.array(0 if counters is True else counters.get(layer, 0), np.int64)
    return out


def check_keys(net, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Raises UserError unless the torch keys and shapes are exactly those of `net` (counters: all or none)."""
    want = torch_shapes(net)
    counters = {key for key in shapes if key.rsplit(".", 1)[-1] == COUNTER}
    every = {key.removesuffix("running_var") + COUNTER for key in want if key.endswith("running_var")}
    missing = [key for key in want if key not in shapes] + sorted(every - counters if counters else [])
    unknown = [key for key in shapes if key not in want and key not in every]
    wrong = [
        f"{key} is {tuple(shapes[key])}, not {want[key]}"
        for key in want
        if key in shapes and tuple(shapes[key]) != want[key]
    ]
    problems = [
        f"{word} {_some(keys)}"
        for word, keys in (("lacks", missing), ("has unknown", unknown), ("has other shapes:", wrong))
        if keys
    ]
    if problems:
        raise UserError(
            f"does not hold a {net.name} with {net.num_classes} classes: it {' and '.join(problems)}; "
            "name the right network with --model, or use a complete checkpoint."
        )


def torch_shapes(net) -> dict[str, tuple[int, ...]]:
    """The torch keys of `net` in order, without num_batches_tracked, and their shapes in torch's layout."""
    shapes = {}
    for path, kind in net.leaf_paths:
        leaf = net.abstract["batch_stats" if path[-1] in ("mean", "var") else "params"]
        for part in path:
            leaf = leaf[part]
        shapes[torch_key(path)] = tuple(np.array(leaf.shape)[_torch_axes(len(leaf.shape), path[-1], kind)].tolist())
    return shapes


def torch_key(path: tuple[str, ...]) -> str:
    return ".".join((*path[:-1], LEAVES.get(path[-1], path[-1])))


def _torch_axes(rank: int, leaf: str, kind: str) -> list[int]:
    """Which kdjax axis each torch axis is: ours end in (in, out), torch's begin (out, in), or (in, out) transposed."""
    if leaf != "kernel":
        return list(range(rank))
    ends = [rank - 2, rank - 1] if kind == "conv_transpose" else [rank - 1, rank - 2]
    return ends + list(range(rank - 2))


def _to_torch(array: np.ndarray, leaf: str, kind: str) -> np.ndarray:
    array = array.transpose(_torch_axes(array.ndim, leaf, kind))
    return array[:, :, ::-1, ::-1] if kind == "conv_transpose" and leaf == "kernel" else array


def _to_kdjax(array: np.ndarray, leaf: str, kind: str) -> np.ndarray:
    array = array[:, :, ::-1, ::-1] if kind == "conv_transpose" and leaf == "kernel" else array
    return array.transpose(np.argsort(_torch_axes(array.ndim, leaf, kind)))


def _array(key: str, value) -> np.ndarray:
    if hasattr(value, "detach"):  # a torch tensor
        value = value.detach().cpu()
        value = (
            (value if value.element_size() > 2 else value.float()).numpy()
            if value.is_floating_point()
            else value.numpy()
        )
    array = np.asarray(value) if isinstance(value, np.ndarray | np.generic | jax.Array) else None
    if array is None or (array.dtype.kind != "f" and array.dtype.name != "bfloat16" and not key.endswith(COUNTER)):
        raise UserError(f"{key} is not a floating-point tensor; weights must be float, so save an unquantised network.")
    small = array.dtype.itemsize == 2 and not key.endswith(COUNTER)
    return array.astype(np.float32) if small else array


def _some(keys: list[str], most: int = 3) -> str:
    more = f" and {len(keys) - most} more" if len(keys) > most else ""
    return ", ".join(str(key)[:80] for key in keys[:most]) + more
