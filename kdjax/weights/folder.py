"""Networks on disk: a folder with network.json and weights.safetensors, and the files that PyTorch users read.

The folder is whole or not there: it is written beside and renamed. network.json carries the name, classes, image size
and the sha256 of the weights, which `load_network` checks.
"""

import contextlib
import json
import math
import os
import pathlib
import shutil
from typing import Any

import jax.numpy as jnp
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save, save_file

from kdjax import models
from kdjax.errors import UserError
from kdjax.files.atomic import atomic_write_bytes, fsync_folder, fsync_tree
from kdjax.files.download import digest
from kdjax.weights.torch import writer as torch_writer
from kdjax.weights.torch.naming import COUNTER, to_state_dict

FORMAT, DESCRIPTION, WEIGHTS = "kdjax-network-1", "network.json", "weights.safetensors"
MOST_PIXELS = 4096  # a side


def save_network(path: str | os.PathLike, net, variables: dict, metadata: dict | None = None) -> None:
    """Write `net` and its variables to the folder `path`, replacing a network that is there but nothing else.

    metadata: anything JSON holds. Raises UserError if `path` holds something else or cannot be written.
    """
    path = pathlib.Path(path)
    refuse_to_overwrite(path)
    beside, old = (path.with_name(f".{path.name}.{os.getpid()}.{word}") for word in ("new", "old"))
    try:
        beside.mkdir(parents=True)
        save_file({key: np.asarray(value) for key, value in _flat(variables).items()}, beside / WEIGHTS)
        description = {
            "format": FORMAT,
            "name": net.name,
            "num_classes": net.num_classes,
            "image_size": net.image_size,
            "num_params": net.num_params,
            "weights_sha256": digest(beside / WEIGHTS),
            "metadata": metadata or {},
        }
        (beside / DESCRIPTION).write_text(json.dumps(description, indent=1) + "\n")
        fsync_tree(beside)
        if path.exists():
            path.rename(old)
        beside.rename(path)
        fsync_folder(path.parent)
    except OSError as error:
        raise UserError(
            f"{path} cannot be written ({error.strerror}); free some space or choose another folder."
        ) from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)
        if old.exists() and not path.exists():
            old.rename(path)
        shutil.rmtree(old, ignore_errors=True)


def load_network(path: str | os.PathLike, typed: str | None = None) -> tuple[Any, dict, dict]:
    """(network, variables, metadata) from a folder of `save_network`, or from a run's folder (its student).

    typed: the network's name as the user gave it; the one name with a colon that is imported when the folder says it.
    Raises UserError when the folder is not one, when its weights are damaged, when they do not fit the network, or when
    it names code that `typed` does not.
    """
    path = of_run(pathlib.Path(path))
    try:
        description = read_description(path)
        refuse_untyped(path, description["name"], typed)
        if digest(path / WEIGHTS) != description["weights_sha256"]:
            raise UserError(
                f"{path} is damaged: {WEIGHTS} is not the file that {DESCRIPTION} describes; convert the network again."
            )
        leaves = load_file(path / WEIGHTS)
        _refuse_size(description, leaves)
        net = models.build(
            description["name"], num_classes=description["num_classes"], image_size=description["image_size"]
        )
        metadata = description["metadata"]
    except FileNotFoundError:
        there = path.is_dir()
        raise UserError(
            f"{path} holds no network ({DESCRIPTION} and {WEIGHTS}); give a converted folder, a finished run, or a "
            "torch checkpoint file."
            if there
            else f"{path} does not exist; check the path."
        ) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, SafetensorError) as error:
        raise UserError(
            f"{path} is damaged ({type(error).__name__}: {str(error)[:80]}); convert the network again."
        ) from None
    return net, _variables(path, net, leaves), metadata


def of_run(path: pathlib.Path) -> pathlib.Path:
    """The folder of a network itself, where `path` is the folder of the run that trained it."""
    within = path / "student"
    return within if not (path / DESCRIPTION).is_file() and (within / DESCRIPTION).is_file() else path


def read_description(path: pathlib.Path) -> dict:
    """What network.json in `path` says, plain data; raises UserError for another version's and whatever json raises."""
    description = json.loads((path / DESCRIPTION).read_text())
    if description["format"] != FORMAT:
        raise UserError(
            f"{path} was written by another version of kdjax ({str(description['format'])[:40]!r}); "
            "convert the network again."
        )
    return description


def recorded_stats(path: str | os.PathLike) -> tuple[tuple, tuple] | None:
    """(mean, std) with which the network in a folder was trained, where it says so: three finite numbers each."""
    path = pathlib.Path(path)
    try:
        where = path if (path / DESCRIPTION).is_file() else path / "student"
        mean, std = read_description(where)["metadata"]["stats"]
        pair = tuple(map(float, mean)), tuple(map(float, std))
    except (OSError, ValueError, KeyError, TypeError, RecursionError, UserError):
        return None
    usable = len(pair[0]) == len(pair[1]) == 3 and all(map(math.isfinite, pair[0] + pair[1])) and min(pair[1]) > 0
    return pair if usable else None


def _refuse_size(description: dict, leaves: dict) -> None:
    """ValueError for numbers that no network of these weights has: a network is not built to find that out."""
    classes, size = description["num_classes"], description["image_size"]
    if type(classes) is not int or type(size) is not int or not 8 <= size <= MOST_PIXELS:
        raise ValueError(f"num_classes {classes!r}, image_size {size!r}")
    if classes > sum(leaf.size for leaf in leaves.values()):
        raise ValueError(f"{classes} classes are more than there are weights")


def refuse_untyped(path: pathlib.Path, name: str, typed: str | None) -> None:
    """UserError for a name that means code to import, unless the user gave that very name: a file's word runs nothing.

    Raises AttributeError for a name that is no text.
    """
    if name.count(":") and name != typed:
        raise UserError(
            f"{path} names a network of its own, {name[:100]!r}, and a file's word imports no code; if you trust that "
            f"class, give its name yourself (--model, config.teacher.name or config.student.name)."
        )


def save_torch(path: str | os.PathLike, net, variables: dict, metadata: dict | None = None) -> None:
    """Write a `.pth` in RepDistiller's layout, {"model": state_dict, ...}; needs no torch.

    metadata: what `load_network` gave; its counters, epoch and accuracy go into the file, so that an imported
    checkpoint comes back with the same tensors bit for bit. Raises UserError if the file cannot be written.
    """
    metadata = metadata or {}
    scalars = {key: metadata[key] for key in ("epoch", "accuracy") if isinstance(metadata.get(key), int | float)}
    with writing(path):
        torch_writer.write(path, _torch_arrays(net, variables, metadata), scalars)


def save_safetensors(path: str | os.PathLike, net, variables: dict, metadata: dict | None = None) -> None:
    """Write a `.safetensors` file with torch's names and layout. Raises UserError if it cannot be written."""
    about = {"model": net.name, "num_classes": str(net.num_classes), "image_size": str(net.image_size), "format": "pt"}
    with writing(path):
        atomic_write_bytes(path, save(_torch_arrays(net, variables, metadata or {}), about))


def refuse_to_overwrite(path: pathlib.Path) -> None:
    """UserError if a network may not be written to `path`."""
    if not is_free(path):
        raise UserError(f"{path} exists and is not a network's folder; choose another place with --out.")


def is_free(path: pathlib.Path) -> bool:
    """Whether `path` is free, an empty folder, or a network's folder, which may be replaced."""
    if path.is_dir():
        return (path / DESCRIPTION).is_file() or not any(path.iterdir())
    return not path.exists()


@contextlib.contextmanager
def writing(path):
    """A file that is about to be written: makes its folder, and turns the disk's refusals into one sentence."""
    path = pathlib.Path(path)
    if path.is_dir():
        raise UserError(f"{path} is a folder; give the name of a file.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror}); free space or choose another place.") from None


def _torch_arrays(net, variables: dict, metadata: dict) -> dict[str, np.ndarray]:
    counters = metadata.get(COUNTER, True)
    return to_state_dict(net, variables, False if counters is None else counters)


def _flat(tree: dict, prefix: str = "") -> dict:
    out = {}
    for key, value in tree.items():
        out |= _flat(value, f"{prefix}{key}/") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return out


def _variables(path: pathlib.Path, net, leaves: dict) -> dict:
    """The flat leaves as nested variables, after a comparison with what the network expects."""
    want = {key: tuple(leaf.shape) for key, leaf in _flat(net.abstract).items()}
    if {key: leaf.shape for key, leaf in leaves.items()} != want:
        raise UserError(f"{path} does not fit the network {net.name} of this version of kdjax; convert it again.")
    return _filled(net.abstract, leaves)


def _filled(tree: dict, leaves: dict, prefix: str = "") -> dict:
    return {
        key: _filled(value, leaves, f"{prefix}{key}/")
        if isinstance(value, dict)
        else jnp.asarray(leaves[f"{prefix}{key}"])
        for key, value in tree.items()
    }
