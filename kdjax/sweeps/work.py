"""One job's process: its environment, its log, and its end when the sweep ends."""
from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from kdjax.device.start import STARTED

PACKAGE = Path(__file__).resolve().parents[2]
TRAVEL = ("JAX_", "PYTHON", "XLA_", "KDJAX_", "TFDS_")
# What a job's process does first, then it becomes the program. (Not a preexec_fn: Python code between fork and exec may
# deadlock beside the threads of JAX or Ray.) 1 is PR_SET_PDEATHSIG of Linux, 15 SIGTERM.
FIRST = """
import ctypes, os, sys
parent, cores, program = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, 15)
    if os.getppid() != parent:
        sys.exit(143)
if cores:
    os.sched_setaffinity(0, [int(core) for core in cores.split(",")])
os.execv(program[0], program)
"""


def environment(folder: Path, **own: str) -> dict[str, str]:
    """The variables of a job: this package first on the path, and one cache of compiled programs for all jobs.

    What this process has settled for itself (device/start.py) the job settles anew: it has another device, or fewer
    cores. A cache that the person has chosen stays. own: the slot's (which GPU).
    """
    path = os.pathsep.join(filter(None, [str(PACKAGE), os.environ.get("PYTHONPATH")]))
    shared = {"KDJAX_COMPILATION_CACHE": str((folder / ".compiled").resolve()), "PYTHONUNBUFFERED": "1"}
    settled = {STARTED, *os.environ.get(STARTED, "").split()}
    inherited = {name: value for name, value in os.environ.items() if name not in settled}
    return {**shared, **inherited, "PYTHONPATH": path, **own}


def travelling(folder: Path) -> dict[str, str]:
    """Of that environment what a job on another machine needs."""
    return {name: value for name, value in environment(folder).items() if name.startswith(TRAVEL)}


def start(program: list[str], log: Path, env: dict[str, str], cores: frozenset[int] = frozenset()) -> subprocess.Popen:
    """The program as a process of its own session, so that a terminal's Ctrl-C reaches only the sweep, which stops its
    runs politely. A sweep that is killed outright takes its runs with it: they get SIGTERM, save and end."""
    log.parent.mkdir(parents=True, exist_ok=True)
    first = [sys.executable, "-S", "-c", FIRST, str(os.getpid()), ",".join(map(str, sorted(cores)))]
    with log.open("ab") as out:
        return subprocess.Popen([*first, *program], stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                                env=env, start_new_session=True)


def run(program: list[str], log: str, env: dict[str, str]) -> int:
    """The program from start to end, wherever this is called: in a SLURM job, in a Ray worker; returns its status."""
    process = start(program, Path(log), {**os.environ, **env})
    try:
        return process.wait()
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)


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
