"""What a run needs before its first step: its folder, what it says of itself, and the refusals."""
from __future__ import annotations

import hashlib
import json
import platform
import subprocess
from pathlib import Path

from kdjax import processes
from kdjax.errors import UserError
from kdjax.io.atomic import atomic_write_text
from kdjax.io.run_meta import meaning_changed
from kdjax.methods import chosen
from kdjax.state import base_lr


def plain(config) -> dict:
    """The config as JSON values."""
    return json.loads(config.to_json())


def write_json(path: Path, value) -> None:
    """Writes JSON atomically."""
    atomic_write_text(path, json.dumps(value, indent=1, default=str) + "\n")


def read_json(path: Path) -> dict | None:
    """A JSON file's contents, or None where there is none (or only a broken one)."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None


def workdir(config) -> Path:
    """The run's folder: experiment.workdir, or runs/<name>; created here."""
    name = config.experiment.name or "-".join(
        [*chosen(config), config.teacher.name or "none", config.student.name, config.data.dataset, f"s{config.seed}",
         f"t{config.experiment.trial}"]).replace("/", "_").replace(":", "_")
    folder = Path(config.experiment.workdir or Path("runs") / name)
    processes.first(lambda: check_writable(folder))
    return folder


def check_writable(folder: Path) -> None:
    """Creates the folder if need be; refuses one that cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UserError(f"cannot write in {folder} ({error.strerror}); choose another folder with --workdir") from None


def check_resume(config, folder: Path) -> None:
    """Refuses to continue a run whose meaning changed, showing what did."""
    before = read_json(folder / "config.json")
    changed = meaning_changed(before["config"], plain(config)) if before and "config" in before else []
    if changed:
        raise UserError(f"{folder} holds a run of another config ({'; '.join(changed)}); use another --workdir, or the old values")


def check_replicas(config, place, methods: dict) -> None:
    """Methods with a memory compute on the whole batch only."""
    count = max(config.replicas, place.replicas_of_pmap)
    guilty = [name for name, method in methods.items() if method.has_memory]
    if count > 1 and guilty:
        raise UserError(f"{guilty[0]} keeps a memory that {count} replicas would update apart from each other; "
                        f"set config.replicas=1 and config.parallel=jit (which uses all devices on one global batch)")


def revision() -> str:
    """The git revision of the program, or "" outside a checkout."""
    here = Path(__file__).parent
    try:
        return subprocess.run(["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, timeout=5).stdout.strip()
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


def stage_lr(config, stage) -> float:
    """A pre-stage's constant rate: train.init_lr, the stage's own, or the student's base rate."""
    if config.train.init_lr is not None:
        return config.train.init_lr
    return base_lr(config) if stage.lr is None else stage.lr


def order_seed(seed: int, purpose: str) -> int:
    """The data order's seed of a stage; the main stage uses the run's own."""
    return seed if purpose == "main" else int.from_bytes(hashlib.sha256(f"{seed} {purpose}".encode()).digest()[:4], "little")


def header(config, data, student, teachers, place) -> str:
    """What a run is, in a few lines."""
    v = versions()
    kinds = {d.device_kind for d in place.devices}
    lines = [f"kdjax {v['kdjax']}  jax {v['jax']}  flax {v['flax']}  on {len(place.devices)} x {', '.join(kinds)} ({config.parallel})",
             f"data     {data.name}: {len(data.train.labels)} train, {len(data.test.labels)} test, {data.num_classes} classes",
             f"method   {', '.join(f'{m} x {w:g}' for m, w in chosen(config).items())}  (gamma {config.loss.gamma:g}, "
             f"alpha {config.loss.alpha:g}, beta {config.loss.beta:g})",
             f"student  {student.name}: {student.num_params:,} parameters"]
    lines += [f"teacher  {t.name}: {t.num_params:,} parameters" for t in teachers]
    return "\n".join(lines)
