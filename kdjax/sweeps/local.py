"""Jobs as processes of this machine: one a device unless asked otherwise."""
from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from kdjax.errors import UserError
from kdjax.sweeps import work
from kdjax.sweeps.jobs import Job

ASK = "import jax; print(jax.default_backend(), jax.local_device_count())"


def devices() -> tuple[str, int]:
    """(platform, number of devices) as a job will see them, asked in a process of its own: looking would hold them."""
    if os.environ.get("JAX_PLATFORMS") == "cpu":
        return "cpu", 1
    asked = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True, env=work.environment(Path()))
    answer = asked.stdout.split()
    if asked.returncode or len(answer) < 2:
        raise UserError(f"JAX finds no device ({work_line(asked.stderr)}); `python -m kdjax.doctor` tells more")
    return answer[-2], int(answer[-1])


def work_line(text: str) -> str:
    """The last line of what a process said."""
    return (text.strip().splitlines() or ["no message"])[-1][:200]


class Local:
    """Starts jobs in `slots` places: a GPU each, or a share of the cores of a CPU."""

    def __init__(self, folder: Path, slots: int = 0):
        self.folder = folder
        self.platform, self.count = devices()
        self.count = self.count if self.platform in ("gpu", "cuda", "rocm") else 1
        self.slots = slots or self.count
        self.free = list(range(self.slots))

    @property
    def what(self) -> str:
        """The places in words."""
        return f"{self.slots} at a time on {self.count} {self.platform} device{'s' * (self.count > 1)}"

    def start(self, job: Job) -> Process:
        """The job in the first free place."""
        slot = self.free.pop(0)
        process = work.start(job.program, log_of(self.folder, job), work.environment(self.folder, **self.own(slot)),
                             self.cores(slot))
        return Process(process, lambda: self.free.append(slot))

    def own(self, slot: int) -> dict[str, str]:
        """The variables that give a slot its GPU; several slots on one share its memory."""
        if self.platform == "cpu":
            return {}
        visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
        names = visible.split(",") if visible else [str(k) for k in range(self.count)]
        share = -(-self.slots // self.count)
        memory = {"XLA_PYTHON_CLIENT_MEM_FRACTION": f"{0.9 / share:.2f}"} if share > 1 else {}
        return {"CUDA_VISIBLE_DEVICES": names[slot % self.count], **memory}

    def cores(self, slot: int) -> frozenset[int]:
        """A slot's share of the CPU's cores; all of them when there is one slot or too few cores."""
        held = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        return frozenset(held[slot::self.slots]) if self.platform == "cpu" and 1 < self.slots <= len(held) \
            else frozenset()

    def close(self) -> None:
        """Nothing stays behind."""


class Process:
    """A running job."""

    def __init__(self, process: subprocess.Popen, ended):
        self.process, self.ended = process, ended

    def poll(self) -> int | None:
        """Its exit status, negative for a signal; None while it runs."""
        status = self.process.poll()
        if status is not None and self.ended:
            self.ended, ended = None, self.ended
            ended()
        return status

    def stop(self) -> None:
        """Asks it to save and end."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Ends it at once, and what it started."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def log_of(folder: Path, job: Job) -> Path:
    """Where a job's output goes."""
    return folder / "logs" / f"{job.name.replace(' ', '-')}.log"
