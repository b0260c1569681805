"""What a config names exists: its methods, its networks, the numbers it computes in."""
from __future__ import annotations

import jax

from kdjax import models
from kdjax.errors import UserError
from kdjax.methods import chosen, find


def title(config) -> list[str]:
    """What a run does, in words for its folder, header and result: its methods, or its program's own."""
    s = config.ssl
    if config.program == "probe":
        return ["finetune" if config.probe.finetune else "probe"]
    if config.program != "pretext":
        return list(chosen(config))
    whole = f"dssrd_{s.strong}" if s.strong else "distil" if config.teacher.checkpoint else ""
    return [*filter(None, (whole, s.method, s.imix.replace("none", "")))]


def check_names(config) -> None:
    """Raises UserError for a method or a network that there is none of, and for float64 without 64-bit JAX.

    For a config that `kdjax.config.check.check` has passed.
    """
    for method in chosen(config):
        find(method)
    own = config.teacher.name.split(",") if config.teacher.train_epochs and not config.teacher.checkpoint else []
    given = () if config.program == "probe" else filter(None, (config.student.name, config.ssl.strong))
    for name in (*given, *own):
        models.build(name, num_classes=10, image_size=config.data.image_size or 32)
    if config.train.dtype == "float64" and not jax.config.jax_enable_x64:
        raise UserError("config.train.dtype=float64 needs 64-bit JAX; set JAX_ENABLE_X64=1 (python -m kdjax.main does "
                        "it itself)")
