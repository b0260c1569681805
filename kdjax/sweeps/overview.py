"""What a person sees of a sweep: one line an event, and on a terminal a live block that is painted over."""
from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from kdjax.run.text import clock
from kdjax.sweeps.jobs import Job
from kdjax.sweeps.pace import Paces
from kdjax.tables import runs

SHOWN = ("finished", "running", "waiting", "failed")
EVERY, QUIET = 1.0, 60.0  # seconds between two paintings on a terminal, and two lines elsewhere


class Overview:
    """Counts, running jobs with their progress, and the time that is left. places: how many run at a time."""

    def __init__(self, places: int, out=None):
        self.places, self.out = places, out or sys.stdout
        self.live = self.out.isatty()
        self.painted, self.next, self.paces = 0, 0.0, Paces()

    def say(self, text: str) -> None:
        """A line that stays."""
        self.wipe()
        print(text, file=self.out, flush=True)

    def started(self, job: Job) -> None:
        """A job's attempt begins."""
        self.paces.look(job, 0.0)
        self.say(f"started   {job.name}" + (f" (attempt {job.attempts})" if job.attempts > 1 else ""))

    def finished(self, job: Job) -> None:
        """A job's end with its accuracy."""
        record = runs.read(job.folder) if job.about else None
        top = f"  top-1 {record.last['top1']:.2f}" if record and record.last else ""
        self.say(f"finished  {job.name}{top}  {clock(job.seconds)}")

    def show(self, jobs: list[Job], since: dict[str, float]) -> None:
        """The live block, or now and then one line."""
        now = time.monotonic()
        if now < self.next:
            return
        self.next = now + (EVERY if self.live else QUIET)
        lines = self.lines(jobs, since, now)
        self.wipe()
        if self.live:
            wide = os.get_terminal_size(self.out.fileno()).columns if self.out.isatty() else 100
            print("\n".join(line[:wide - 1] for line in lines), end="", file=self.out, flush=True)
            self.painted = len(lines)
        else:
            print(lines[0], file=self.out, flush=True)

    def lines(self, jobs: list[Job], since: dict[str, float], now: float) -> list[str]:
        """The counts, and one line a running job."""
        count = {state: sum(job.state == state for job in jobs) for state in SHOWN}
        going = [(job, now - since[str(job.folder)]) for job in jobs if str(job.folder) in since]
        left = self.paces.left(jobs, going, self.places)
        counts = ", ".join(f"{n} {state}" for state, n in count.items() if n or state != "failed")
        head = f"{len(jobs)} jobs: {counts}" + (f", {clock(left)} left" if left else "")
        return [head, *(f"  {job.name}  {self.progress(job)}  {clock(seconds)}" for job, seconds in going)]

    def progress(self, job: Job) -> str:
        """How far a run is."""
        record = runs.read(job.folder) if job.about else None
        return record.why if record else ""

    def wipe(self) -> None:
        """Takes the live block off the screen."""
        if self.painted:
            print("\r\033[K" + "\033[A\033[K" * (self.painted - 1), end="", file=self.out)
            self.painted = 0

    def close(self) -> None:
        """Leaves a clean line."""
        self.wipe()
        self.out.flush()


def closing(jobs: list[Job], folder: Path, status: int, out=None) -> int:
    """The last lines: what failed, and what comes next; returns the status."""
    failed = [job for job in jobs if job.state == "failed"]
    for job in failed:
        print(f"failed: {job.name}: {job.why}", file=out)
    done = sum(job.state == "finished" for job in jobs)
    again = "; the same command goes on" if done < len(jobs) else ""
    print(f"{done} of {len(jobs)} jobs are done, {len(failed)} failed{again}", file=out)
    print(f"python -m kdjax.report {folder}", file=out)
    return status
