"""The front door: `python -m kdjax.main --config configs/itrd.py:student=resnet20 [--config.FIELD=VALUE ...]`."""
from __future__ import annotations

import sys

from kdjax.device import start

if __name__ == "__main__":
    start.begin()  # first of all: it may start this process anew

from kdjax.config import parse as command_line
from kdjax.config.command_line import guarded
from kdjax.errors import EXIT_FAILED, EXIT_STOPPED, Diverged, Stopped, StoppedEarly
from kdjax.run.stopping import StopSignal

USAGE = """usage: python -m kdjax.main --config configs/METHOD.py[:teacher=NAME,student=NAME,dataset=NAME,seed=N,demo]
                            [--config.FIELD=VALUE ...] [--workdir DIR]
       python -m kdjax.main --list        methods, networks, data sets, configs

Runs or continues; a finished run prints its result. Exit status: 0 done, 1 the numbers went wrong, 2 a mistake in
what was asked, 75 stopped by SIGTERM, SIGINT or SIGUSR1 after saving (the same command continues).
The originals' commands work too: [train_student.py] --distill NAME --path_t ... --model_s ... -r -a -b, with --config
left out; docs/config.md has the flags."""

# JAX is loaded inside the functions: it takes seconds, in which a signal is heard already and --help has answered.


def parse(argv: list[str]):
    """The config of a command line; every mistake is a UserError."""
    def canonical(method: str) -> str:
        from kdjax import methods
        return methods.canonical(method)

    return command_line.parse(argv, canonical)


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
    from kdjax.device import backend, compiled, processes
    from kdjax.run import run
    backend.prepare(config)
    compiled.install()
    try:
        with processes.joined(config), backend.enough_memory():
            run.run(config)
    except Stopped as stop:
        processes.say(f"\n{stop}")
        return EXIT_STOPPED
    except Diverged as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_FAILED
    return 0


if __name__ == "__main__":
    sys.exit(guarded(main))
