"""What a run needs before its first step: its folder, its teachers, and the refusals."""
from __future__ import annotations

import hashlib
import json
import platform
import subprocess
from pathlib import Path

import jax

from kdjax import models, processes
from kdjax.data import sources
from kdjax.errors import UserError
from kdjax.evaluate import check_classes
from kdjax.io.atomic import atomic_write_text
from kdjax.io.run_meta import meaning_changed
from kdjax.methods import chosen, find
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


def check(config) -> None:
    """Refuses values that no run could use."""
    at_least = {"train.epochs": 1, "train.init_epochs": 0, "data.batch_size": 1, "data.eval_batch_size": 1, "replicas": 1,
                "log.every_steps": 1, "checkpoint.every_epochs": 1, "checkpoint.keep": 1, "optim.weight_decay": 0,
                "optim.momentum": 0, "loss.kd_temperature": 1e-6, "train.steps": 0, "data.crop": 0}
    for field, least in at_least.items():
        value = config
        for part in field.split("."):
            value = value[part]
        if value < least:
            raise UserError(f"config.{field}={value} is too small; give at least {least}")
    choices = {"optim.schedule.kind": ("step", "cosine", "constant"), "train.on_nan": ("stop", "skip"),
               "train.dtype": ("float32", "bfloat16", "float64"), "data.padding": ("zero", "reflect"),
               "teacher.batch_stats": ("running", "batch")}
    for field, allowed in choices.items():
        value = config
        for part in field.split("."):
            value = value[part]
        if value not in allowed:
            raise UserError(f"config.{field}={value!r} is not one of {', '.join(allowed)}")
    if config.train.dtype == "float64" and not jax.config.jax_enable_x64:
        raise UserError("config.train.dtype=float64 needs 64-bit JAX; set JAX_ENABLE_X64=1 (python -m kdjax.main does it itself)")
    if base_lr(config) <= 0:
        raise UserError(f"config.optim.lr={base_lr(config)} must be positive")


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


def load_teachers(config, data) -> tuple[tuple, tuple]:
    """(networks, variables) of config.teacher.checkpoint (several separated by commas), none for a method without teacher."""
    if not any(find(m).needs_teacher for m in chosen(config)):
        return (), ()
    if not config.teacher.checkpoint:
        raise UserError(f"method {next(iter(chosen(config)))!r} needs a teacher; set config.teacher.checkpoint to a converted folder "
                        f"or a .pth file (python convert_torch_ckpt.py, python -m kdjax.fetch teachers)")
    nets, variables = [], []
    for path in config.teacher.checkpoint.split(","):
        net, v = models.load(path)
        expected = config.teacher.name.split(",")[min(len(nets), config.teacher.name.count(","))]
        if expected and expected != net.name:
            raise UserError(f"{path} holds a {net.name}, not the {expected} that config.teacher.name says; change one of them")
        check_classes(net, data.num_classes, data.name)
        nets.append(net)
        variables.append(v)
    return tuple(nets), tuple(variables)


def check_early(config) -> None:
    """The teacher's mistakes that can be told before any data is read."""
    if any(find(m).needs_teacher for m in chosen(config)) and config.teacher.checkpoint:
        classes = sources.known_classes(config.data.dataset)
        for path in config.teacher.checkpoint.split(","):
            if not Path(path).exists():
                raise UserError(f"there is no teacher at {path}; convert one (python convert_torch_ckpt.py FILE --out {path}), "
                                f"fetch one (python -m kdjax.fetch teachers), or train one (configs/vanilla.py)")
            if classes:
                check_classes(models.load(path)[0], classes, config.data.dataset)


def warm_start(student, path: str) -> dict:
    """Variables for the student from a checkpoint of the same network."""
    net, variables = models.load(path)
    if (net.name, net.num_classes, net.image_size) != (student.name, student.num_classes, student.image_size):
        raise UserError(f"{path} holds {net}, not {student}; change config.student.checkpoint or config.student.name")
    return variables


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
