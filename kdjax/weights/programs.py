"""Functions of images as files that run without kdjax, and back: StableHLO by jax.export, ONNX by jax2onnx."""
from __future__ import annotations

import contextlib
import importlib.util
import io
import logging
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np
from jax import export

from kdjax.errors import UserError

PLATFORMS = ("cpu", "cuda", "tpu")
ONNX = ("jax2onnx", "onnx", "onnxruntime")


def to_stablehlo(function: Callable, shape: tuple[int, ...], dtype) -> bytes:
    """`jax.export`'s serialisation of function(images [N, *shape]) for CPU, CUDA and TPU, N free."""
    return bytes(export.export(jax.jit(function), platforms=PLATFORMS)(_images(shape, dtype)).serialize())


def from_stablehlo(path: Path) -> Callable:
    """The function in a file of `to_stablehlo`."""
    return export.deserialize(bytearray(path.read_bytes())).call


def to_onnx(function: Callable, shape: tuple[int, ...], dtype) -> bytes:
    """An ONNX model of function(images [N, *shape]), N free. Raises UserError where jax2onnx is not installed."""
    if missing := [name for name in ONNX if importlib.util.find_spec(name) is None]:
        raise UserError(f"--to onnx needs {', '.join(missing)}: pip install onnx onnx-ir onnxruntime && pip install "
                        "--no-deps jax2onnx (docs/export.md says why so), or use --to stablehlo")
    logging.getLogger("jax2onnx").setLevel(logging.ERROR)
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):  # its examples' imports
        from jax2onnx import to_onnx as converted
        model = converted(function, [_images(shape, dtype)], input_names=["images"], output_names=["logits"])
    return model.SerializeToString()


def from_onnx(path: Path) -> Callable:
    """The function in an ONNX file, by onnxruntime on the CPU."""
    import onnxruntime
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    return lambda images: session.run(None, {given.name: np.asarray(images)})[0]


def _images(shape: tuple[int, ...], dtype) -> jax.ShapeDtypeStruct:
    (n,) = export.symbolic_shape("N")
    return jax.ShapeDtypeStruct((n, *shape), dtype)
