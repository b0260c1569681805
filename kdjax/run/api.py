"""kdjax from Python: what the commands do, as functions that return values. docs/api.md shows them at work."""
from __future__ import annotations

import contextlib
import copy
import dataclasses
import io
import json
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ml_collections import ConfigDict

from kdjax.config import check, file, milestones
from kdjax.config.override import assign
from kdjax.data import stats, types
from kdjax.device import backend, processes
from kdjax.errors import UserError
from kdjax.models import Network, Variables
from kdjax.run import folder, run
from kdjax.run.result import summary
from kdjax.weights.loading import load

__all__ = ["Result", "dataset", "get_config", "load", "train"]


@dataclasses.dataclass(frozen=True)
class Result:
    """A finished run. folder: where everything of it lies; record: what result.json holds."""

    folder: Path
    record: dict = dataclasses.field(repr=False)

    @property
    def top1(self) -> float:
        """The student's accuracy after the last epoch, in percent: the headline."""
        return self.record["last"]["top1"]

    @property
    def best(self) -> float:
        """The highest accuracy of any epoch, chosen on the test set, in percent."""
        return self.record["best"]["top1"]

    @property
    def gain(self) -> float | None:
        """Points above the same student without a teacher; None where that was not trained (experiment.compare)."""
        alone = self.record.get("alone")
        return self.top1 - alone["last"]["top1"] if alone else None

    def network(self, name: str | None = None) -> tuple[Network, Variables]:
        """The trained student. name: needed for a network of your own, "module:Class"."""
        return load(self.folder / "student", name)

    def epochs(self) -> list[dict]:
        """One dict an epoch, as metrics.jsonl has them: losses, accuracies, seconds."""
        rows = map(json.loads, (self.folder / "metrics.jsonl").read_text().splitlines())
        return [row for row in rows if row["kind"] == "epoch"]

    def __str__(self) -> str:
        return summary(self.record)


def get_config(spec: str, changes: dict | None = None) -> ConfigDict:
    """The config of "itrd", "itrd:student=resnet20,demo" or "path/to/own.py:...", ready to be changed further.

    changes: {"loss.beta": 2.0, ...}, with the command line's warning where a new `train.epochs` leaves the milestones
    of the learning rate behind. Raises UserError for an unknown config or field and for values that no run could use.
    """
    written = file.load(spec)
    config = copy.deepcopy(written)
    for name, value in (changes or {}).items():
        assign(config, name, value)
    check.check(config)
    milestones.follow(config, written)
    if note := milestones.note(config, written.train.epochs):
        warnings.warn(note, stacklevel=2)
    return config


def train(config: ConfigDict | str, data: types.Dataset | None = None, *, quiet: bool = False) -> Result:
    """Trains as a config (or its spec) says, or continues, or reads a finished run, in the config's folder.

    data: a `dataset(...)` in place of config.data.dataset. quiet: prints nothing. The config is left as it was.
    Raises UserError for what you can mend, `kdjax.errors.Stopped` after Ctrl-C (everything is saved, the same call
    continues), `kdjax.errors.Diverged` when numbers went wrong.
    """
    config = get_config(config) if isinstance(config, str) else copy.deepcopy(config)
    if data is not None:
        config.data.dataset = data.name
    place = folder.workdir(config)
    backend.prepare(config)
    silence = contextlib.redirect_stdout(io.StringIO()) if quiet else contextlib.nullcontext()
    with silence, processes.joined(config), backend.enough_memory():
        record = run.run(config, data)
    return Result(Path(place), record)


def dataset(train: tuple, test: tuple, *, num_classes: int | None = None, classes: Sequence[str] = (),
            name: str = "arrays", normalize: object = "auto") -> types.Dataset:
    """A data set from arrays. train, test: (images uint8 [N, S, S, 3], integer labels [N] from 0).

    num_classes: that of the training labels or of `classes`, their names, where not given. normalize: "auto" measures
    mean and std on the training images; or a pair of three means and three stds of images in 0 .. 1, or a name such as
    "imagenet". Raises UserError for what is no data set.
    """
    splits = [types.Split(np.asarray(images), np.asarray(labels)) for images, labels in (train, test)]
    count = num_classes or len(classes) or int(np.max(splits[0].labels)) + 1
    raw = types.check(types.Raw(name, *splits, count, classes=tuple(classes)), name)
    if classes and len(classes) != count:
        raise UserError(f"{name} has {count} classes and {len(classes)} names of classes; give one each")
    mean, std = stats.resolve(normalize, raw)
    return types.Dataset(name=name, train=raw.train, test=raw.test, valid=None, num_classes=count,
                         image_size=raw.test.images.shape[1], mean=mean, std=std, classes=raw.classes)
