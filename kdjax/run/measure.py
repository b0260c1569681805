"""The accuracy of a network on a data set, both by what a user calls them."""
from __future__ import annotations

import os

from kdjax.config import default
from kdjax.data import source
from kdjax.data.types import Dataset
from kdjax.models import Network, Variables
from kdjax.run import accuracy, normalising
from kdjax.weights.loading import load


def evaluate(network: str | os.PathLike | tuple[Network, Variables], data: str | Dataset = "cifar100", *,
             data_dir: str = "", normalize: str = "auto", model: str | None = None, batch_size: int = 500) -> dict:
    """{"top1", "top5" in percent, "loss", "count"} of a network on a test set.

    network: a path that `load` takes, or what it returned. data: a data set's name or path (looked for in data_dir), or
    a Dataset. model: see `load`. normalize: whose mean and std: "auto", a data set's name, "network" (the pair that it
    records), or six numbers. Raises UserError for what is missing or does not fit, before the data is read where
    the name of the data set tells.
    """
    return measured(network, data, data_dir, normalize, model, batch_size)[1]


def measured(network, data, data_dir: str, normalize: str, model: str | None, batch_size: int) -> tuple[Network, dict]:
    """(the network, what `evaluate` returns of it)."""
    path = "" if isinstance(network, tuple) else os.fspath(network)
    normalize = (normalising.of_network(path, normalize) if path else None) or normalize
    net, variables = load(path, model) if path else network
    if not isinstance(data, Dataset):
        accuracy.check_classes(net, source.known_classes(data) or net.num_classes, data)
        fields = default().data
        fields.update({"dataset": data, "dir": data_dir, "stats": normalize, "allow_empty_classes": True})
        data = source.load(fields, seed=0)
        if path:
            normalising.warn_of(path, data, "--stats=network")
    accuracy.check_classes(net, data.num_classes, data.name)
    return net, accuracy.evaluate(net, variables, data.test, data.mean, data.std, batch_size)
