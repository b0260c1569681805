"""Trees of arrays as flat {"params/student/conv1/kernel": array} dicts on the host, and back."""

from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

EMPTY = "empty"  # in place of an array: an empty dict, which must survive although it holds nothing
DTYPES = {"bool", "float16", "bfloat16", "float32", "float64"} | {
    f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)
}


def named_leaves(tree: Any) -> tuple[dict[str, Any], Any]:
    """({name: leaf}, treedef); a name is the path joined by "/". Empty dicts count as leaves.

    Raises TypeError for dict keys that are not strings and for a bare leaf, ValueError for keys with a "/".
    """
    pairs, treedef = jax.tree_util.tree_flatten_with_path(tree, is_leaf=_is_empty)
    return {_name(path): leaf for path, leaf in pairs}, treedef


def to_host(tree: Any) -> dict[str, Any]:
    """{name: numpy array or EMPTY}. Arrays spread over devices are gathered; Python scalars become 0-d arrays.

    A collective when leaves are sharded over processes: every process must call it.
    Raises TypeError for what a checkpoint does not hold, such as typed PRNG keys (pass `jax.random.key_data`).
    """
    leaves, _ = named_leaves(tree)
    for name, leaf in leaves.items():
        if not _is_empty(leaf) and _dtype(leaf) not in DTYPES:
            raise TypeError(f"leaf {name} has dtype {_dtype(leaf)}: a checkpoint holds {', '.join(sorted(DTYPES))}")
    local = jax.device_get({name: _gathered(leaf) for name, leaf in leaves.items() if not _is_empty(leaf)})
    return {name: EMPTY if _is_empty(leaf) else np.asarray(local[name]) for name, leaf in leaves.items()}


def nested(leaves: dict[str, Any]) -> dict:
    """The nested dict of a flat one; the inverse of `to_host` for trees of dicts."""
    tree: dict = {}
    for name, leaf in leaves.items():
        *parents, last = name.split("/")
        node = tree
        for key in parents:
            node = node.setdefault(key, {})
        node[last] = {} if _is_empty_mark(leaf) else leaf
    return tree


def like(template: Any, leaves: dict[str, Any]) -> Any:
    """The leaves in the structure of `template`, any pytree (only shapes and dtypes of its leaves are looked at).

    Raises ValueError with the first differences when names, shapes or dtypes disagree.
    """
    wanted, treedef = named_leaves(template)
    here, there = ({name: _spec(leaf) for name, leaf in side.items()} for side in (wanted, leaves))
    names = [name for name in here | there if here.get(name) != there.get(name)]
    if names:
        shown = (f"{name} is {there.get(name, 'absent')} instead of {here.get(name, 'absent')}" for name in names[:3])
        raise ValueError("; ".join(shown) + (f"; and {len(names) - 3} more" if len(names) > 3 else ""))
    return jax.tree_util.tree_unflatten(treedef, [{} if _is_empty(wanted[n]) else leaves[n] for n in wanted])


def _name(path: tuple) -> str:
    if not path:
        raise TypeError("the tree must be a non-empty container, not a bare leaf")
    keys = [next(getattr(key, a) for a in ("key", "idx", "name") if hasattr(key, a)) for key in path]
    for entry, key in zip(path, keys, strict=True):
        if isinstance(entry, jax.tree_util.DictKey) and not isinstance(key, str):
            raise TypeError(f"the dict key {key!r} must be a string")
        if "/" in str(key):
            raise ValueError(f"the key {key!r} must not contain a slash")
    return "/".join(map(str, keys))


def _is_empty(leaf: Any) -> bool:
    return isinstance(leaf, dict) and not leaf


def _is_empty_mark(leaf: Any) -> bool:
    return isinstance(leaf, str) and leaf == EMPTY


def _dtype(leaf: Any) -> str:
    return str(leaf.dtype if hasattr(leaf, "dtype") else np.asarray(leaf).dtype)


def _spec(leaf: Any) -> str:
    return EMPTY if _is_empty(leaf) or _is_empty_mark(leaf) else f"{_dtype(leaf)}{list(np.shape(leaf))}"


def _gathered(leaf: Any) -> Any:
    if not isinstance(leaf, jax.Array) or leaf.is_fully_addressable:
        return leaf
    return leaf.addressable_data(0) if leaf.is_fully_replicated else multihost_utils.process_allgather(leaf, tiled=True)
