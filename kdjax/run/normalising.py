"""With which mean and std a network was trained, and whether the data is normalised with the same."""
from __future__ import annotations

import copy
import warnings

from kdjax.data import stats
from kdjax.data.types import Dataset
from kdjax.errors import UserError
from kdjax.weights.folder import recorded_stats


def of_network(path: str, wanted: str) -> stats.Stats | None:
    """The pair that the network in `path` records, where `wanted` is "network"; else None. UserError without one."""
    if wanted != "network":
        return None
    if (pair := recorded_stats(path)) is None:
        raise UserError(f"{path} does not say with which mean and std it was trained; give a data set's name or six "
                        "numbers")
    return pair


def data_fields(config):
    """config.data with the first teacher's pair for stats="teacher"; UserError where there is none."""
    if config.data.stats != "teacher":
        return config.data
    fields, path = copy.deepcopy(config.data), config.teacher.checkpoint.split(",")[0]
    if not path:
        raise UserError("config.data.stats=teacher needs a teacher; set config.teacher.checkpoint")
    fields.stats = of_network(path, "network")
    return fields


def warn_of(path: str, data: Dataset, cure: str) -> None:
    """Warns where the network in `path` was trained with another mean and std than the data is normalised with."""
    pair = recorded_stats(path)
    if pair is not None and stats.differ(pair, (data.mean, data.std)):
        warnings.warn(f"{path} was trained with the mean and std {stats.told(pair)}, but {data.name} is normalised "
                      f"with {stats.told((data.mean, data.std))}: set {cure}", stacklevel=2)


def check_teachers(config, data: Dataset, paths: list[str]) -> None:
    """`warn_of` every teacher; and where a teacher says nothing, of a mean and std measured on the data at hand."""
    for path in paths:
        warn_of(path, data, "config.data.stats=teacher")
    measured = config.data.stats == "auto" and (data.mean, data.std) not in stats.STATS.values()
    silent = [path for path in paths if recorded_stats(path) is None]
    if measured and silent:
        warnings.warn(f"the mean and std of {data.name} are measured on its own images, and {silent[0]} does not say "
                      "with which it was trained: set config.data.stats to those", stacklevel=2)
