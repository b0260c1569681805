"""Where a result comes from: when, by which command, revision and versions, on what, with which weights."""
from __future__ import annotations

import datetime
import os
import shlex
import sys

from kdjax.run.context import Run
from kdjax.run.header import revision, versions


def of(run: Run) -> dict:
    """The entries that result.json gets besides the scores; config.json has the whole config."""
    loss = run.config.loss
    return {"date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"), "command": command(),
            "revision": revision(), "versions": versions(), "classes": run.data.num_classes,
            "devices": [device.device_kind for device in run.place.devices],
            "loss": {name: loss[name] for name in ("gamma", "alpha", "beta", "kd_temperature")}}


def command() -> str:
    """The command line of this process as one would type it, without the folder of the program."""
    program, *words = sys.argv or [""]
    return shlex.join([os.path.basename(program), *words]) if program not in ("", "-c") else "python"
