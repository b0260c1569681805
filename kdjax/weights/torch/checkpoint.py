"""PyTorch checkpoints of the RepDistiller family and its relatives: spec/models.md, section 9.

    read(path) -> Checkpoint                                any file of the family, without torch, running nothing in it
    from_state_dict(net, state_dict) -> variables           strict
    to_state_dict(net, variables) -> state_dict             its exact inverse
    load(path) -> (net, variables, metadata)                all of it
"""

import os
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from kdjax.errors import UserError
from kdjax.files.download import digest
from kdjax.weights.torch import choice, encoders, recognition, state_dicts, wrappers
from kdjax.weights.torch.file import naming, open_torch_file
from kdjax.weights.torch.naming import COUNTER, from_state_dict, to_state_dict
from kdjax.weights.torch.values import Tensor

__all__ = ["Checkpoint", "from_state_dict", "load", "read", "to_state_dict"]

ACCURACIES = ("accuracy", "best_acc", "acc", "best_prec1", "best_acc1")


class Checkpoint(NamedTuple):
    """state_dict: torch names and layout, prefixes removed, NumPy arrays. name: the network, None if unknown to kdjax.

    num_classes: rows of the classifier, None without one. metadata: source and sha256, epoch and accuracy if the file
    tells, container, part and what was left out, num_batches_tracked by layer (None if the file has none), notes for
    the user.
    """

    state_dict: dict[str, np.ndarray]
    name: str | None
    num_classes: int | None
    metadata: dict[str, Any]


def read(
    path: str | os.PathLike,
    *,
    name: str | None = None,
    key: str | None = None,
    part: str | None = None,
    image_size: int | None = None,
    keep_projection: bool = False,
) -> Checkpoint:
    """Read any checkpoint of spec/models.md 9.1, in both byte formats; nothing in the file is executed.

    name: the network; else the folder's name says it, else the shapes (9.3, 9.4). key: the entry that holds the
    weights; part: "student", "teacher" or an encoder ("weak", "strong", "target"), where a file holds several networks.
    keep_projection: an encoder with its projection head of several layers, else left out. image_size: pixels, which
    no file tells but kdjax's own (None: as that says, else 32). Raises UserError, one sentence that names the file, for
    whatever 9.5 refuses. A file of whole, sound weights that belong to no network of kdjax gives name None.
    """
    return _read(os.fspath(path), name, key, part, image_size, keep_projection)[0]


def load(
    path: str | os.PathLike,
    *,
    name: str | None = None,
    key: str | None = None,
    part: str | None = None,
    image_size: int | None = None,
    keep_projection: bool = False,
) -> tuple[Any, dict, dict]:
    """(network, variables, metadata) of a torch file; arguments and refusals as for `read`, and no unknown networks."""
    checkpoint, net = _read(os.fspath(path), name, key, part, image_size, keep_projection)
    if net is None:
        raise UserError(
            f"{path} holds weights (first {', '.join(list(checkpoint.state_dict)[:2])}) of no network "
            "that kdjax recognises; name it with --model, which also takes package.module:Class."
        )
    return net, from_state_dict(net, checkpoint.state_dict), checkpoint.metadata


def _read(path: str, name: str | None, key: str | None, part: str | None, image_size: int | None,
          keep_projection: bool = False):
    obj, fetch = open_torch_file(path)
    with naming(path):
        _refuse_own_weights(obj)
        found = state_dicts.find(obj, key)
        told = getattr(obj, "metadata", {})
        size = image_size or choice.told_size(told)
        candidates = [encoders.headed(candidate, keep_projection)
                      for candidate in wrappers.unwrapped(found.tensors, encoders.meant_part(part, found.tensors))]
        candidate, name, net = choice.chosen(path, name, told, candidates, size)
        state_dict = {key: _sound(key, fetch(tensor), net is not None) for key, tensor in candidate.tensors.items()}
        classes = recognition.num_classes({key: array.shape for key, array in state_dict.items()})
        metadata = _metadata(path, obj, fetch, found, candidate, state_dict)
        if size != 32:
            metadata["image_size"] = size
    return Checkpoint(state_dict, name, classes, metadata), net


def _refuse_own_weights(obj: Any) -> None:
    if isinstance(obj, dict) and any(isinstance(key, str) and key.startswith("params/") for key in obj):
        raise UserError("is the weights' file of a network's folder; give the folder that it lies in.")


def _sound(key: str, array: np.ndarray, is_weight: bool) -> np.ndarray:
    if key.endswith(COUNTER):
        return array.astype(np.int64)
    if is_weight and array.dtype.kind != "f":
        raise UserError(f"has {key} as {array.dtype}, not as a floating-point weight; save an unquantised network.")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise UserError(
            f"has NaN or infinite values in {key}; the training that wrote it diverged, so use another checkpoint."
        )
    return array.astype(np.float32) if array.dtype.kind == "f" and array.itemsize == 2 else array


def _metadata(path: str, obj: Any, fetch, found, candidate, state_dict) -> dict[str, Any]:
    counters = {
        key.removesuffix("." + COUNTER): int(value) for key, value in state_dict.items() if key.endswith(COUNTER)
    }
    metadata = {
        "source": os.path.basename(path),
        "source_sha256": digest(path),
        "source_bytes": os.path.getsize(path),
        "container": found.container,
        "prefix": candidate.prefix,
        "part": candidate.part,
        "left_out": [*found.left_out, *candidate.left_out],
        "notes": [*found.notes, *_notes(found, candidate)],
        COUNTER: counters or None,
    }
    if found.container:
        known = {"epoch": obj.get("epoch"), "accuracy": next((obj[key] for key in ACCURACIES if key in obj), None)}
        metadata |= {key: number for key, value in known.items() if (number := _number(value, fetch)) is not None}
    return metadata


def _notes(found, candidate) -> Iterator[str]:
    """What was done to the file's keys, for the user."""
    if candidate.prefix and candidate.prefix != "module.":
        yield f"took away the prefix {candidate.prefix}"
    if left_out := [*found.left_out, *candidate.left_out]:
        yield (f"took {candidate.part} and " if candidate.part else "") + "left out " + ", ".join(left_out)
    if candidate.renamed:
        yield f"renamed {', '.join(candidate.renamed)}"


def _number(value: Any, fetch) -> int | float | None:
    """A Python number, from one, from a NumPy scalar or from a tensor of one element; None for anything else."""
    if isinstance(value, Tensor) and all(n == 1 for n in value.shape):
        value = fetch(value).item()
    usable = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2**31  # false for NaN
    return value if usable else None
