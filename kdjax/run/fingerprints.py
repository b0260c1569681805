"""What a run learns from, by content: fingerprints of its data and of its frozen networks, kept in every checkpoint."""
from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping
from pathlib import Path

import jax
import numpy as np
from flax import traverse_util

from kdjax.data.types import Dataset
from kdjax.errors import UserError
from kdjax.files.checksums import describe
from kdjax.tasks import Task


def of(data: Dataset, task: Task, frozen: dict) -> dict:
    """{"data": ..., "networks": {"teacher": ...}}, anything that JSON holds. frozen: {net: variables}.

    Reads every image and every weight once: about 0.3 s for CIFAR. Neither paths nor times are part of it.
    """
    return {"data": of_data(data), "networks": {n: of_network(task.nets[n].network, v) for n, v in frozen.items()}}


def of_data(data: Dataset) -> dict:
    """Classes, statistics and the contents of every split. The statistics are rounded: another machine's sums differ
    in their last digit."""
    splits = {name: {what: describe(array) for what, array in split._asdict().items()}
              for name in ("train", "test", "valid") if (split := getattr(data, name)) is not None}
    return {"classes": data.num_classes, "image_size": data.image_size, "mean": [round(float(m), 6) for m in data.mean],
            "std": [round(float(s), 6) for s in data.std], **splits}


def of_network(network, variables: dict) -> dict:
    """The name and one sha256 over all arrays with their names, shapes and types."""
    digest = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_flatten_with_path(variables)[0]:
        digest.update(repr((jax.tree_util.keystr(path), describe(np.asarray(leaf)))).encode())
    return {"network": network.name, "sha256": digest.hexdigest()}


def check(folder: Path, before: Mapping | None, now: Mapping) -> None:
    """Refuses to continue on other data or with another teacher, with the difference; before: what the checkpoint
    holds, None for one of an older kdjax, which continues with a warning."""
    if before is None:
        warnings.warn(f"{folder} was begun by a kdjax that kept no fingerprints: whether its data and its teacher are "
                      "the same as then cannot be told", stacklevel=2)
    elif changed := differences(before, now):
        raise UserError(f"{folder} holds a run that learned from something else ({'; '.join(changed)}); use another "
                        "--workdir, or the data and the teacher of before")


def differences(before: Mapping, now: Mapping) -> list[str]:
    """["data.classes: 10 -> 7", "data.train.images: other content", ...]; [] when both are the same."""
    old, new = (traverse_util.flatten_dict(side, sep=".") for side in (before, now))
    changed = [name for name in old | new if old.get(name) != new.get(name)]
    shown = [_shown(name, old, new) for name in changed if not name.endswith("sha256")]
    told = {line.partition(":")[0].rpartition(".")[0] for line in shown}  # another shape tells more than another sum
    silent = [name.removesuffix(".sha256") for name in changed if name.endswith("sha256")]
    return shown + [f"{name}: other content" for name in silent if name not in told]


def _shown(name: str, old: Mapping, new: Mapping) -> str:
    return f"{name}: {old.get(name, 'absent')} -> {new.get(name, 'absent')}"
