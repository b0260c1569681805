"""PyTorch checkpoints of the RepDistiller family and its relatives: spec/models.md, section 9.

read(path) -> Checkpoint                          any file of the family, without torch, without running anything
in it from_state_dict(net, state_dict) -> variables     strict to_state_dict(net, variables) -> state_dict
the exact inverse load(path) -> (net, variables, metadata)          all of it
"""

import os
import re
from typing import Any, NamedTuple

import numpy as np

from kdjax.errors import UserError
from kdjax.files.download import digest
from kdjax.weights.torch import recognition as recognize
from kdjax.weights.torch import state_dicts as torch_weights
from kdjax.weights.torch.file import naming, open_torch_file
from kdjax.weights.torch.naming import COUNTER, check_keys, from_state_dict, to_state_dict
from kdjax.weights.torch.unpickler import Tensor

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
    image_size: int = 32,
) -> Checkpoint:
    """Read any checkpoint of spec/models.md 9.1, in both byte formats; nothing in the file is executed.

    name: the network; else the folder's name says it, else the shapes (9.3, 9.4). key: the entry that holds the
    weights; part: "student", "teacher" or an encoder, where a file holds several networks. image_size: pixels, which
    no file tells. Raises UserError, one sentence that names the file, for whatever 9.5 refuses. A file of whole,
    sound weights that belong to no network of kdjax gives name None.
    """
    return _read(os.fspath(path), name, key, part, image_size)[0]


def load(
    path: str | os.PathLike,
    *,
    name: str | None = None,
    key: str | None = None,
    part: str | None = None,
    image_size: int = 32,
) -> tuple[Any, dict, dict]:
    """(network, variables, metadata) of a torch file; arguments and refusals as for `read`, and no unknown networks."""
    checkpoint, net = _read(os.fspath(path), name, key, part, image_size)
    if net is None:
        raise UserError(
            f"{path} holds weights (first {', '.join(list(checkpoint.state_dict)[:2])}) of no network "
            "that kdjax recognises; name it with --model, which also takes package.module:Class."
        )
    return net, from_state_dict(net, checkpoint.state_dict), checkpoint.metadata


def _read(path: str, name: str | None, key: str | None, part: str | None, image_size: int):
    obj, fetch = open_torch_file(path)
    with naming(path):
        weights = torch_weights.find(obj, key, part)
        shapes = {key: tensor.shape for key, tensor in weights.tensors.items()}
        if name == recognize.SSKD_MOBILENET and recognize.is_ambiguous_mobilenet(shapes):
            name, weights = "MobileNetV2", weights._replace(tensors=_sskd_keys(weights.tensors))
            shapes = {key: tensor.shape for key, tensor in weights.tensors.items()}
        classes = recognize.num_classes(shapes)
        name, net = _network(path, name, shapes, classes, image_size, bool(weights.found["part"]))
        state_dict = {key: _sound(key, fetch(tensor), net is not None) for key, tensor in weights.tensors.items()}
        metadata = _metadata(path, obj, fetch, weights, state_dict)
        if image_size != 32:
            metadata["image_size"] = image_size
    return Checkpoint(state_dict, name, classes, metadata), net


def _network(path: str, asked: str | None, shapes, classes: int | None, image_size: int, is_part: bool):
    """(name, Network) that fits the shapes exactly, or (None, None) when nobody says which and none is recognised."""
    from kdjax import models  # not above: models.load imports this module

    seen = recognize.from_shapes(shapes)
    folder = None if asked or is_part else recognize.from_folder(path, _is_name)
    name = asked or folder or seen
    if name is None:
        return None, None
    if classes is None:
        raise UserError(f"has no classifier, so it is not a whole {name}; use the checkpoint of the whole network.")
    try:
        net = models.build(name, num_classes=classes, image_size=image_size)
    except UserError as error:
        raise UserError(f"cannot be read as asked: {error}") from None
    if seen and name != seen and ":" not in name:
        said = "--model says" if asked else "the folder's name says"
        raise UserError(f"holds a {seen}, but {said} {name}; if the file is right, use --model {seen}.")
    check_keys(net, shapes)
    return name, net


def _is_name(name: str) -> bool:
    from kdjax import models

    return name in models.MODELS or bool(re.fullmatch(r"wrn_\d+_\d+", name))


def _sskd_keys(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """SSKD's MobileNetV2 computes what RepDistiller's does; only its classifier is not in a container."""
    return {key.replace("classifier.", "classifier.0."): tensor for key, tensor in tensors.items()}


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


def _metadata(path: str, obj: Any, fetch, weights, state_dict) -> dict[str, Any]:
    counters = {
        key.removesuffix("." + COUNTER): int(value) for key, value in state_dict.items() if key.endswith(COUNTER)
    }
    metadata = {
        "source": os.path.basename(path),
        "source_sha256": digest(path),
        "source_bytes": os.path.getsize(path),
        **weights.found,
        "notes": weights.notes,
        COUNTER: counters or None,
    }
    if weights.found["container"]:
        known = {"epoch": obj.get("epoch"), "accuracy": next((obj[key] for key in ACCURACIES if key in obj), None)}
        metadata |= {key: number for key, value in known.items() if (number := _number(value, fetch)) is not None}
    return metadata


def _number(value: Any, fetch) -> int | float | None:
    """A Python number, from one, from a NumPy scalar or from a tensor of one element; None for anything else."""
    if isinstance(value, Tensor) and all(n == 1 for n in value.shape):
        value = fetch(value).item()
    usable = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2**31  # false for NaN
    return value if usable else None
