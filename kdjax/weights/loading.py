"""A network and its variables from whatever a user points at."""
from __future__ import annotations

import os
from pathlib import Path

from kdjax.errors import UserError
from kdjax.models import Network, Variables
from kdjax.weights import folder, torch


def load(path: str | os.PathLike, name: str | None = None) -> tuple[Network, Variables]:
    """A network and its variables: from a folder (converted, exported, or a run's) or directly from a torch file.

    name: the architecture as the user gave it, for a torch file that does not tell. A folder always tells, but one that
    names a "package.module:Class" is loaded only if `name` does too. Raises UserError if the path does not exist or
    cannot be read as a network.
    """
    path = os.fspath(path)
    if not os.path.isfile(path):
        return folder.load_network(path, name)[:2]
    return torch.load(path, name=name)[:2]


def name_at(path: str | os.PathLike) -> str:
    """The name of the network that lies at a path, "" where there is none or the file does not tell."""
    try:
        if os.path.isfile(path):
            return torch.load(path)[0].name
        return folder.read_description(folder.of_run(Path(path)))["name"]
    except (UserError, OSError, ValueError, KeyError, TypeError, RecursionError):
        return ""
