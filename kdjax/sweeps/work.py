"""One job's process: its environment, its log, and its end when the sweep ends."""
from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2]
TRAVEL = ("JAX_", "PYTHON", "XLA_", "KDJAX_", "TFDS_")
DIES_WITH_PARENT = 1  # PR_SET_PDEATHSIG of Linux


def environment(folder: Path, **own: str) -> dict[str, str]:
    """The variables of a job: this package first on the path, and one cache of compiled programs for all jobs.

    A cache that the person has chosen stays. own: the slot's (which GPU).
    """
    path = os.pathsep.join(filter(None, [str(PACKAGE), os.environ.get("PYTHONPATH")]))
    shared = {"JAX_COMPILATION_CACHE_DIR": str((folder / ".compiled").resolve()),
              "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.5", "PYTHONUNBUFFERED": "1"}
    return {**shared, **os.environ, "PYTHONPATH": path, **own}


def travelling(folder: Path) -> dict[str, str]:
    """Of that environment what a job on another machine needs."""
    return {name: value for name, value in environment(folder).items() if name.startswith(TRAVEL)}


def start(program: list[str], log: Path, env: dict[str, str], cores: frozenset[int] = frozenset()) -> subprocess.Popen:
    """The program as a process of its own session, so that a terminal's Ctrl-C reaches only the sweep, which stops its
    runs politely. A sweep that is killed outright takes its runs with it: they get SIGTERM, save and end."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        return subprocess.Popen(program, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, env=env,
                                start_new_session=True, preexec_fn=_prepare(cores))


def run(program: list[str], log: str, env: dict[str, str]) -> int:
    """The program from start to end, wherever this is called: in a SLURM job, in a Ray worker; returns its status."""
    process = start(program, Path(log), {**os.environ, **env})
    try:
        return process.wait()
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)


def _prepare(cores: frozenset[int]):
    def prepare():
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(DIES_WITH_PARENT, signal.SIGTERM)
        if cores and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, cores)
    return prepare


def last_words(log: Path) -> str:
    """Why a job failed, from its log: its last line that says error, else its last line."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 20_000))
            lines = [line.strip() for line in file.read().decode(errors="replace").replace("\r", "\n").splitlines()]
    except OSError:
        return ""
    said = [line for line in lines if line.startswith("error:")]
    return (said or [line for line in lines if line] or [""])[-1][:500]
