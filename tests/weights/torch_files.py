"""Torch checkpoints of every layout of spec/models.md 9.1, made with torch from one small random network."""
import argparse
import collections
import functools

import jax
import numpy as np
import torch

from kdjax import models
from kdjax.weights.torch.naming import to_state_dict


@functools.cache
def network(name="resnet8", num_classes=10):
    return models.build(name, num_classes=num_classes)


@functools.cache
def state_dict(name="resnet8", num_classes=10):
    """An OrderedDict of torch tensors with counters that are not zero."""
    net = network(name, num_classes)
    layers = {".".join(path[:-1]) for path, _ in net.leaf_paths if path[-1] == "var"}
    arrays = to_state_dict(net, net.init(jax.random.key(0)), dict.fromkeys(layers, 150))
    return collections.OrderedDict((key, torch.from_numpy(np.array(value))) for key, value in arrays.items())


def prefixed(prefix, state):
    return collections.OrderedDict((prefix + key, value) for key, value in state.items())


def momentum(state):
    return {"state": {i: {"momentum_buffer": torch.zeros(2, 3)} for i in range(3)}, "param_groups": [{"lr": 0.1}]}


def containers():
    """name -> the object that each project saves, around `state_dict()`."""
    state = state_dict()
    hsakd = prefixed("backbone.", state) | {"auxiliary_classifier.fc1.weight": torch.zeros(40, 64)}
    projector = {"proj_head.0.weight": torch.zeros(64, 64), "proj_head.2.bias": torch.zeros(64)}
    sskd = prefixed("backbone.", state) | projector
    pair = prefixed("module.student.", state) | prefixed("module.teacher.", state_dict("resnet14"))
    return {
        "rep_regular": {"epoch": 240, "model": state, "accuracy": torch.tensor(61.5), "optimizer": momentum(state)},
        "rep_best": {"epoch": 200, "model": state, "best_acc": np.float64(61.5), "optimizer": momentum(state)},
        "rep_last": {"opt": argparse.Namespace(lr=[1, 2]), "model": state, "optimizer": momentum(state)},
        "data_parallel": {"epoch": 1, "model": prefixed("module.", state), "accuracy": 61.5, "ExpID": "x"},
        "hsakd": {"net": hsakd, "acc": 61.5, "epoch": 3, "optimizer": momentum(state)},
        "sskd_teacher": {"epoch": 3, "state_dict": state, "acc": 61.5},
        "sskd_student": {"epoch": 3, "state_dict": sskd, "best_acc": 61.5},
        "mdistiller": {"epoch": 3, "model": pair | {"module.connectors.0.weight": torch.zeros(3)}, "best_acc": 61.5},
        "mdistiller_student": {"model": state},
        "bare": state,
    }


def save(path, obj, legacy=False, location="cpu"):
    """torch.save; `location` replaces the storages' tags in a legacy file, which carries no checksum."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(obj, path, _use_new_zipfile_serialization=not legacy)
    if location != "cpu":
        tag = lambda name: b"X" + len(name).to_bytes(4, "little") + name.encode()
        path.write_bytes(path.read_bytes().replace(tag("cpu"), tag(location)))
    return path
