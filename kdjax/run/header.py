"""What a run says of itself: its header, and config.json with where it ran."""
from __future__ import annotations

import platform
import subprocess
from pathlib import Path

from kdjax.device import processes, start
from kdjax.methods import chosen
from kdjax.run.context import Run
from kdjax.run.folder import write_json
from kdjax.run.names import title
from kdjax.run.resume import plain
from kdjax.step.schedules import base_lr
from kdjax.tasks import TAUGHT


def revision() -> str:
    """The git revision of the program, or "" outside a checkout; a repository around an installed copy is not one."""
    if not (Path(__file__).parents[2] / ".git").exists():
        return ""
    ask = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        return subprocess.run(ask, capture_output=True, text=True, timeout=5).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def versions() -> dict:
    """Versions of what the numbers depend on."""
    from importlib.metadata import version
    return {"python": platform.python_version(), **{p: version(p) for p in ("kdjax", "jax", "flax", "optax", "numpy")}}


def write_config(run: Run) -> None:
    """config.json: the resolved config, what it learns from, and where it ran."""
    processes.first(lambda: write_json(run.folder / "config.json", {
        "config": plain(run.config), "fingerprints": run.prints, "versions": versions(), "revision": revision(),
        "devices": [d.device_kind for d in run.place.devices]}))


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
             *([f"start    {start.described()}"] if start.described() else []),
             f"data     {data.name}: {len(data.train.labels)} train, {len(data.test.labels)} test, "
             f"{data.num_classes} classes",
             f"method   {described(config)}",
             *(f"options  {line}" for line in options(config)),
             f"optim    rate {base_lr(config):g}, {config.train.epochs} epochs, {schedule(config)}",
             *(f"{name.rstrip('0123456789'):8s} {getattr(net.network, 'name', 'a head')}: {net.network.num_params:,} "
               f"parameters{origin(config, name)}" for name, net in task.nets.items())]
    return "\n".join(lines)


def origin(config, net: str) -> str:
    """`, from teachers/resnet56` of a teacher that was given."""
    paths = config.teacher.checkpoint.split(",")
    places = dict(zip(["teacher", *(f"teacher{n}" for n in range(2, len(paths) + 1))], paths))
    return f", from {places[net]}" if places.get(net) and config.program in TAUGHT else ""


def options(config) -> list[str]:
    """`itrd: corr_weight 2  mutual_weight 1  alpha 1.01`: what each method was told, chosen by the pair or not."""
    blocks = {name: config.method[name] for name in chosen(config) if name in config.method}
    show = lambda value: f"{value:g}" if isinstance(value, float) else str(value)
    return [f"{name}: {'  '.join(f'{key} {show(value)}' for key, value in block.items() if value is not None)}"
            for name, block in blocks.items() if hasattr(block, "items") and len(block)]


def schedule(config) -> str:
    """`times 0.1 after epochs 150, 180, 210`, or the schedule's kind."""
    own = config.optim.schedule
    if own.kind != "step" or not own.milestones:
        return own.kind if own.kind != "step" else "constant"
    return f"times {own.decay:g} after epochs {', '.join(map(str, own.milestones))}"
