"""What a run says of itself: its header, and config.json with where it ran."""
from __future__ import annotations

import platform
import subprocess
from pathlib import Path

from kdjax.device import processes
from kdjax.methods import chosen
from kdjax.run.folder import write_json
from kdjax.run.names import title
from kdjax.run.resume import plain


def revision() -> str:
    """The git revision of the program, or "" outside a checkout."""
    ask = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        return subprocess.run(ask, capture_output=True, text=True, timeout=5).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def versions() -> dict:
    """Versions of what the numbers depend on."""
    from importlib.metadata import version
    return {"python": platform.python_version(), **{p: version(p) for p in ("kdjax", "jax", "flax", "optax", "numpy")}}


def write_config(config, folder: Path, place) -> None:
    """config.json: the resolved config and where it ran."""
    processes.first(lambda: write_json(folder / "config.json", {
        "config": plain(config), "versions": versions(), "revision": revision(),
        "devices": [d.device_kind for d in place.devices]}))


def described(config) -> str:
    """The methods with their weights, or what another program does."""
    if config.program != "distil":
        return ", ".join(title(config))
    loss = config.loss
    return (", ".join(f"{m} x {w:g}" for m, w in chosen(config).items())
            + f"  (gamma {loss.gamma:g}, alpha {loss.alpha:g}, beta {loss.beta:g})")


def header(config, data, task, place) -> str:
    """What a run is, in a few lines."""
    v = versions()
    kinds = {d.device_kind for d in place.devices}
    lines = [f"kdjax {v['kdjax']}  jax {v['jax']}  flax {v['flax']}  "
             f"on {len(place.devices)} x {', '.join(kinds)} ({config.parallel})",
             f"data     {data.name}: {len(data.train.labels)} train, {len(data.test.labels)} test, "
             f"{data.num_classes} classes",
             f"method   {described(config)}",
             *(f"{name.rstrip('0123456789'):8s} {net.network.name}: {net.network.num_params:,} parameters"
               for name, net in task.nets.items())]
    return "\n".join(lines)
