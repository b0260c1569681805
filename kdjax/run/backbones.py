"""The network that a probe looks at: from a torch checkpoint of any kind, a converted folder, or a run of kdjax."""
from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import jax
import jax.numpy as jnp

from kdjax import weights
from kdjax.errors import UserError
from kdjax.models import heads
from kdjax.step.random import stream
from kdjax.weights import torch as torch_weights

FOLDERS = {"student": ("student",), "weak": ("student",), "strong": ("strong",), "online": ("strong", "student"),
           "teacher": ("teacher",), "target": ("teacher",)}     # what a pretext run exports

FLAGS = {"--part encoder_distill_q": "--network weak", "--part encoder_q": "--network strong",
         "--part encoder_k": "--network teacher"}


def read(config):
    """(Network, variables) of config.student.checkpoint; config.probe.network says which of several.

    The shapes decide which network it is: student.name (the originals' -a) only has to say what no shape tells, and a
    note is given where it says otherwise. Raises UserError for a checkpoint that is not there, or lacks the network.
    """
    path, which = config.student.checkpoint, config.probe.network
    if not path:
        raise UserError("a probe needs a trained network; set --pretrained FILE, or config.student.checkpoint")
    if not Path(path).exists():
        raise UserError(f"there is no checkpoint at {path}; check the path (a probe of a random network says nothing)")
    asked = config.student.name
    typed = asked if ":" in asked else None
    if Path(path).is_file():
        with in_own_words():
            known = torch_weights.read(path, name=typed, part=which or None).name
            name = typed or (None if known else asked or None)
            net, variables, _ = torch_weights.load(path, name=name, part=which or None)
    else:
        net, variables = weights.load(folder(Path(path), which), name=typed)
    if asked and not named(net.name, asked):
        warnings.warn(f"{path} holds a {net.name}, which is taken, although {asked} was asked for", stacklevel=2)
    return net, variables


@contextlib.contextmanager
def in_own_words() -> Iterator[None]:
    """A refusal that names the originals' encoders by the converter's flag names them by the probe's instead."""
    try:
        yield
    except UserError as error:
        said = str(error)
        for flag, own in FLAGS.items():
            said = re.sub(rf"{flag}\b", own, said)
        raise UserError(said) from None


def folder(path: Path, which: str) -> Path:
    """The folder of one network of a run, or the folder itself."""
    if not which:
        return path
    if which not in FOLDERS:
        raise UserError(f"config.probe.network={which!r} is no network; use one of {', '.join(FOLDERS)}")
    there = [name for name in ("student", "strong", "teacher") if (path / name / "network.json").is_file()]
    found = [name for name in FOLDERS[which] if name in there]
    if which == "weak" and "strong" not in there:
        found = []
    if not there and not (path / "network.json").is_file():
        return path    # nothing at all, which `weights.load` says
    if not found:
        raise UserError(f"{path} has no {which} network; it holds {', '.join(there) or 'one network only'}, so set "
                        "config.probe.network accordingly, or leave it out")
    return path / found[0]


def named(name: str, asked: str) -> bool:
    """Whether a network is the one asked for, its head aside."""
    found = heads.SUFFIX.fullmatch(name)
    return asked in (name, found and found[1])


def base(name: str) -> str:
    """A network's name without its head."""
    found = heads.SUFFIX.fullmatch(name)
    return found[1] if found else name


def first(config, seed: int, net) -> dict:
    """Variables of a probe's network: all of the checkpoint's but its head, which starts N(0, 0.01^2) and bias 0."""
    _, old = read(config)
    fresh = net.init(stream(seed, "classifier"))
    found = {"params": {}, "batch_stats": {}}
    for part, tree in fresh.items():
        for child, leaves in tree.items():
            taken = child not in heads.CLASSIFIERS
            found[part][child] = old[part][child] if taken else leaves
    return found | {"params": {child: leaves if child not in heads.CLASSIFIERS else classifier(leaves, seed)
                               for child, leaves in found["params"].items()}}


def classifier(leaves: dict, seed: int) -> dict:
    """A linear layer's leaves, drawn anew: kernels N(0, 0.01^2), biases 0."""
    key = stream(seed, "classifier")
    draw = lambda path, x: 0.01 * jax.random.normal(key, x.shape, x.dtype) if x.ndim == 2 else jnp.zeros_like(x)
    return jax.tree_util.tree_map_with_path(draw, leaves)
