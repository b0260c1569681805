"""A trained network for serving: as a program with its weights inside (StableHLO, ONNX), or as weights for others.

Whatever is written is read back and run beside the network on random images; a file that disagrees is removed.
"""
from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from kdjax.errors import UserError
from kdjax.files.atomic import atomic_write_bytes, atomic_write_text
from kdjax.models import Network, Variables
from kdjax.weights import folder, programs, torch
from kdjax.weights.loading import load

Normalization = tuple[tuple[float, ...], tuple[float, ...]]
SUFFIXES = {"stablehlo": ".stablehlo", "onnx": ".onnx", "safetensors": ".safetensors", "torch": ".pth"}
PROGRAMS = {"stablehlo": (programs.to_stablehlo, programs.from_stablehlo),
            "onnx": (programs.to_onnx, programs.from_onnx)}
AGREE = 1e-3  # of the largest logit; measured: 1e-6


class Exported(NamedTuple):
    """What was written: difference is the largest between its logits and the network's, over the largest logit."""

    path: Path
    network: Network
    difference: float


def export(source: str | os.PathLike, to: str, out: str | os.PathLike | None = None, *,
           normalization: Normalization | None = None, model: str | None = None) -> Exported:
    """Writes the network of a run, a folder or a torch file as `to`: stablehlo, onnx, safetensors or torch.

    normalization: (mean, std) of images in 0 .. 1; a program then takes uint8 images [N, S, S, 3], else float32 ones
    that are normalised already. N is free. model: see `kdjax.weights.load`. Beside a program stands a .json that says
    what goes in and what comes out. Raises UserError for a way that is not installed, a place that cannot be written,
    and a file that does not compute what the network computes.
    """
    if to not in SUFFIXES:
        raise UserError(f"--to {to} is not known; choose from {', '.join(SUFFIXES)}")
    if normalization and to not in PROGRAMS:
        raise UserError(f"--preprocess needs a program, and --to {to} writes weights; use --to stablehlo or --to onnx")
    net, variables = load(source, model)
    path, told = Path(out) if out else _beside(Path(source), to), metadata(source)
    if to in PROGRAMS:
        content = PROGRAMS[to][0](function(net, variables, normalization), _shape(net), _kind(normalization))
        with folder.writing(path):
            atomic_write_bytes(path, content)
    else:
        (folder.save_torch if to == "torch" else folder.save_safetensors)(path, net, variables, told)
    difference = check(path, to, net, variables, normalization)
    if not difference <= AGREE:
        path.unlink()
        raise UserError(f"what was written as {path} computes other logits (by {difference:.1e} of the largest) and is "
                        "removed; try another --to, and please report it")
    if to in PROGRAMS:
        about = description(net, to, content, normalization, told)
        atomic_write_text(path.with_name(path.name + ".json"), json.dumps(about, indent=1) + "\n")
    return Exported(path, net, difference)


def function(net: Network, variables: Variables, normalization: Normalization | None) -> Callable:
    """images -> logits [N, classes], with the weights inside."""
    def logits(images):
        if normalization:
            mean, std = (jnp.asarray(values, jnp.float32) for values in normalization)
            images = (images.astype(jnp.float32) / 255 - mean) / std
        return net.apply(variables, images, train=False)[0].logits
    return logits


def check(path: Path, to: str, net: Network, variables: Variables, normalization: Normalization | None) -> float:
    """The largest difference of logits between a written file and the network, over the largest logit."""
    worst, read = 0.0, function(net, variables, normalization)
    if to in PROGRAMS:
        written = PROGRAMS[to][1](path)
    else:
        written = function(*torch.load(os.fspath(path), name=net.name, image_size=net.image_size)[:2], normalization)
    for count in (1, 3):
        images = np.random.default_rng(count).integers(0, 256, (count, *_shape(net)), np.uint8)
        images = images if normalization else ((images - 127.5) / 64).astype(np.float32)
        want, got = np.asarray(read(images)), np.asarray(written(images))
        worst = max(worst, float(np.abs(got - want).max() / max(np.abs(want).max(), 1e-6)))
    return worst


def description(net: Network, to: str, content: bytes, normalization: Normalization | None, told: dict) -> dict:
    """What goes into a program and what comes out, for who serves it."""
    given = {"shape": ["N", *_shape(net)], "dtype": np.dtype(_kind(normalization)).name, "layout": "NHWC",
             "channels": "RGB", "range": "0 .. 255" if normalization else "normalised: (image / 255 - mean) / std"}
    return {"network": net.name, "format": to, "sha256": hashlib.sha256(content).hexdigest(), "jax": jax.__version__,
            "input": given, "output": {"shape": ["N", net.num_classes], "dtype": "float32", "what": "logits"},
            "classes": told.get("classes") or [], "stats": normalization or told.get("stats")}


def metadata(source: str | os.PathLike) -> dict:
    """What a network's folder says of it besides its shape; {} for a torch file."""
    try:
        return dict(folder.read_description(folder.of_run(Path(source)))["metadata"])
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _shape(net: Network) -> tuple[int, ...]:
    return net.input_shape


def _kind(normalization: Normalization | None) -> type:
    return np.uint8 if normalization else np.float32


def _beside(source: Path, to: str) -> Path:
    """student.onnx in a run's folder, NAME.onnx beside another folder or file; never over a file that is there."""
    name = source.resolve().name.removesuffix(".pth")
    run = (source / "student").is_dir()
    path = source / f"student{SUFFIXES[to]}" if run else source.resolve().with_name(name + SUFFIXES[to])
    if path.exists() and not (run and to == "torch"):
        raise UserError(f"{path} exists; choose another place with --out")
    return path
