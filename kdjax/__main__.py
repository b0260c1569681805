"""`kdjax COMMAND ...`, and `python -m kdjax COMMAND ...`: every command by its name."""
from __future__ import annotations

import difflib
import importlib
import importlib.util
import os
import sys

from kdjax import __version__
from kdjax.config.command_line import guarded
from kdjax.device import start
from kdjax.errors import UserError

COMMANDS = {  # name: (its module, what it does). What is not installed here is neither offered nor understood.
    "train": ("kdjax.main", "train as a config says, continue a run, print a finished one's result"),
    "evaluate": ("kdjax.evaluate", "accuracy of a network on a test set"),
    "convert": ("kdjax.convert", "a PyTorch checkpoint into a folder, and back"),
    "export": ("kdjax.export", "a trained network for serving: StableHLO, safetensors, PyTorch, ONNX"),
    "fetch": ("kdjax.fetch", "the released teachers, the official data sets"),
    "sweep": ("kdjax.sweep", "a grid of runs: methods, pairs, seeds"),
    "report": ("kdjax.report", "tables of finished runs"),
    "plot": ("kdjax.plot", "pictures of finished runs"),
    "transfer": ("kdjax.transfer", "linear probes of a network on other data sets"),
    "deviation": ("kdjax.deviation", "how well mixed images suit a teacher, without training"),
    "doctor": ("kdjax.doctor", "what is missing before a run"),
}
ON_THE_HOST = ("convert",)  # copying weights needs no accelerator
COMPUTING = ("train", "evaluate", "transfer")  # whose processes are prepared before JAX starts


def main(argv: list[str] | None = None) -> int:
    """Runs the command that the first word names with the words after it; returns its exit status."""
    words = sys.argv[1:] if argv is None else list(argv)
    if not words or words[0] in ("-h", "--help", "help"):
        print(usage())
        return 0 if words else 2
    if words[0] in ("-V", "--version"):
        print(f"kdjax {__version__}")
        return 0
    name, rest = ("train", words) if words[0].startswith("-") else (words[0], words[1:])
    module = found(name)
    if name in ON_THE_HOST:
        os.environ.setdefault("JAX_PLATFORMS", "cpu")
    return importlib.import_module(module).main(rest)


def found(name: str) -> str:
    """The module of a command; a UserError with the near ones for a word that is none."""
    if name in here():
        return COMMANDS[name][0]
    near = difflib.get_close_matches(name, here(), n=1)
    guess = f" (did you mean {near[0]}?)" if near else ""
    raise UserError(f"kdjax has no command {name!r}{guess}; `kdjax --help` lists them")


def here() -> list[str]:
    """The commands of this installation. Looks for files and imports none."""
    return [name for name, (module, _) in COMMANDS.items() if importlib.util.find_spec(module) is not None]


def usage() -> str:
    """What `kdjax --help` says."""
    rows = "\n".join(f"  {name:10s} {COMMANDS[name][1]}" for name in here())
    return (f"usage: kdjax COMMAND ...   (or python -m kdjax COMMAND ...)\n\n{rows}\n\n"
            "`kdjax COMMAND --help` shows what it takes, `kdjax --list` methods, networks, data sets and configs,\n"
            "`kdjax --version` the version. A first run: kdjax train --config itrd:demo")


def script() -> int:
    """The console script's entry: mistakes become one sentence. The current folder's modules can be named, as they can
    after `python -m`."""
    words = sys.argv[1:]
    if not {"", os.getcwd()} & set(sys.path):
        sys.path.append("")
    if words and (words[0] in COMPUTING or words[0].startswith("--config")) and not set(words) & {"-h", "--help"}:
        start.begin()  # first of all: it may start this process anew
    return guarded(main)


if __name__ == "__main__":
    sys.exit(script())
