"""What JAX must be told before it first touches a device, and what its lack of memory is called."""
from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import jax

from kdjax.errors import UserError


def prepare(config) -> None:
    """Deterministic kernels and 64-bit numbers, where the config asks for them."""
    if config.train.deterministic:
        os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_gpu_deterministic_ops=true"
    if config.train.dtype == "float64":
        jax.config.update("jax_enable_x64", True)


@contextlib.contextmanager
def enough_memory() -> Iterator[None]:
    """A device's lack of memory as one sentence."""
    try:
        yield
    except RuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        raise UserError("the device has not enough memory; lower config.data.batch_size, or use more devices") from None
