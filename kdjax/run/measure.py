"""The accuracy of a network on a data set, both by what a user calls them."""
from __future__ import annotations

import os

from kdjax.config import default
from kdjax.data import source
from kdjax.data.types import Dataset
from kdjax.models import Network, Variables
from kdjax.run import accuracy
from kdjax.weights.loading import load


def evaluate(network: str | os.PathLike | tuple[Network, Variables], data: str | Dataset = "cifar100", *,
             data_dir: str = "", normalize: str = "auto", model: str | None = None, batch_size: int = 500) -> dict:
    """{"top1", "top5" in percent, "loss", "count"} of a network on a test set.

    network: a path that `load` takes, or what it returned. data: a data set's name or path (looked for in data_dir), or
    a Dataset. model: see `load`. Raises UserError for what is missing or does not fit, before the data is read where
    the name of the data set tells.
    """
    net, variables = network if isinstance(network, tuple) else load(network, model)
    if not isinstance(data, Dataset):
        accuracy.check_classes(net, source.known_classes(data) or net.num_classes, data)
        fields = default().data
        fields.update({"dataset": data, "dir": data_dir, "stats": normalize})
        data = source.load(fields, seed=0)
    accuracy.check_classes(net, data.num_classes, data.name)
    return accuracy.evaluate(net, variables, data.test, data.mean, data.std, batch_size)
