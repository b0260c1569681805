"""The front door: `python -m kdjax.main --config configs/itrd.py:student=resnet20 [--config.FIELD=VALUE ...]`."""
from __future__ import annotations

import contextlib
import difflib
import os
import sys

from kdjax.config import parse as config_file
from kdjax.config.command_line import guarded
from kdjax.errors import EXIT_FAILED, EXIT_STOPPED, Diverged, Stopped, StoppedEarly, UserError
from kdjax.run.stopping import StopSignal

USAGE = """usage: python -m kdjax.main --config configs/METHOD.py[:teacher=NAME,student=NAME,dataset=NAME,seed=N,demo]
                            [--config.FIELD=VALUE ...] [--workdir DIR]
       python -m kdjax.main --list        methods, networks, data sets, configs

Runs or continues; a finished run prints its result. Exit status: 0 done, 1 the numbers went wrong, 2 a mistake in
what was asked, 75 stopped by SIGTERM, SIGINT or SIGUSR1 after saving (the same command continues).
The originals' flags work too: --distill --path_t --model_s -r -a -b, with --config left out."""

ORIGINAL = {  # RepDistiller's flags -> fields, so that its commands translate one to one
    "-r": "loss.gamma", "--gamma": "loss.gamma", "-a": "loss.alpha", "--alpha": "loss.alpha", "-b": "loss.beta",
    "--beta": "loss.beta", "--kd_T": "loss.kd_temperature", "--path_t": "teacher.checkpoint",
    "--model_s": "student.name", "--trial": "experiment.trial", "--batch_size": "data.batch_size",
    "--epochs": "train.epochs",
    "--init_epochs": "train.init_epochs", "--learning_rate": "optim.lr", "--dataset": "data.dataset",
    "--weight_decay": "optim.weight_decay", "--momentum": "optim.momentum", "--feat_dim": "method.feat_dim",
    "--mode": "method.crd.mode", "--nce_k": "method.crd.num_negatives", "--nce_t": "method.crd.temperature",
    "--nce_m": "method.crd.momentum", "--hint_layer": "method.hint.layer", "--lambda_corr": "method.itrd.corr_weight",
    "--lambda_mutual": "method.itrd.mutual_weight", "--alpha_it": "method.itrd.alpha", "--seed": "seed",
}


def translate(argv: list[str]) -> list[str]:
    """The originals' flags in a command line as kdjax's; `--distill NAME` chooses configs/NAME.py."""
    out, rest = [], list(argv)
    while rest:
        flag, _, value = rest.pop(0).partition("=")
        if flag not in ORIGINAL and flag != "--distill":
            out.append(f"{flag}={value}" if _ else flag)
            continue
        if not _ and not rest:
            raise UserError(f"{flag} needs a value; `--help` shows how")
        value = value if _ else rest.pop(0)
        if flag == "--distill":
            from kdjax.methods import canonical
            out.append(f"--config=configs/{canonical(value)}.py")
        else:
            out.append(f"--config.{ORIGINAL[flag]}={value}")
    return out


def parse(argv: list[str]):
    """The config of a command line; every mistake is a UserError."""
    spec, workdir, fields = None, "", []
    rest = translate(argv)
    while rest:
        flag, equals, value = rest.pop(0).partition("=")
        name = flag.lstrip("-")
        if not flag.startswith("-") or not (name in ("config", "workdir") or name.startswith(("config.", "noconfig."))):
            raise UserError(not_understood(flag))
        value = value if equals else None
        if name.startswith("noconfig."):
            fields.append((name.removeprefix("noconfig."), "False"))
            continue
        if value is None and rest and not rest[0].startswith("-"):
            value = rest.pop(0)
        if name.startswith("config."):
            fields.append((name.removeprefix("config."), value))
        elif not value:
            raise UserError(f"--{name} needs a value; `--help` shows how")
        elif name == "config":
            spec = value
        else:
            workdir = value
    if spec is None:
        raise UserError("say what to run: --config configs/itrd.py (or --distill NAME); `--help` shows more")
    config = config_file.load(spec)
    for name, value in fields:
        config_file.override(config, name, value)
    if workdir:
        config_file.override(config, "experiment.workdir", workdir)
    return config


def not_understood(word: str) -> str:
    """The message for a word that is no flag, with the near one."""
    near = difflib.get_close_matches(word, ["--config", "--workdir", "--list", "--help", "--distill", *ORIGINAL], n=1)
    guess = f" (did you mean {near[0]}?)" if near else ""
    return f"{word!r} is not understood{guess}; fields are set as --config.FIELD=VALUE, `--help` shows the rest"


def prepare_backend(config) -> None:
    """What must be set before JAX first touches a device."""
    if config.train.deterministic:
        os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_gpu_deterministic_ops=true"
    if config.train.dtype == "float64":
        import jax
        jax.config.update("jax_enable_x64", True)


def main(argv: list[str] | None = None) -> int:
    """Parses, trains, and returns the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    if not argv or set(argv) & {"-h", "--help"}:
        print(USAGE)
        return 0 if argv else 2
    if "--list" in argv:
        from kdjax.run import listing
        print(listing.tables())
        return 0
    try:
        with StopSignal(patient=False):
            return train(parse(argv))
    except StoppedEarly as stop:
        print(f"\n{stop}", flush=True)
        return EXIT_STOPPED


def train(config) -> int:
    """Trains and returns the exit status."""
    from kdjax.config import check as validate
    from kdjax.device import processes
    from kdjax.run import run as train
    validate.check_fields(config)
    prepare_backend(config)
    try:
        with processes.joined(config), enough_memory():
            train.run(config)
    except Stopped as stop:
        processes.say(f"\n{stop}")
        return EXIT_STOPPED
    except Diverged as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_FAILED
    return 0


@contextlib.contextmanager
def enough_memory():
    """A device's lack of memory as one sentence."""
    try:
        yield
    except RuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        raise UserError("the device has not enough memory; lower config.data.batch_size, or use more devices") from None


if __name__ == "__main__":
    sys.exit(guarded(main))
