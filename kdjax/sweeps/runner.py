"""The loop of a sweep: start what may start, see what ended, retry what was killed, keep going past what failed."""
from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from kdjax.errors import EXIT_STOPPED
from kdjax.run.stopping import StopSignal
from kdjax.sweeps import work
from kdjax.sweeps.jobs import Job
from kdjax.sweeps.ledger import Ledger
from kdjax.sweeps.local import log_of
from kdjax.tables import runs

RETRIES, PAUSE, GRACE = 2, 0.2, 600  # attempts after the first; seconds between two looks, and for a polite stop
KILLED = (EXIT_STOPPED, 128 + 9, 128 + 15)  # besides a negative status: the run would have gone on
LOST = -1  # what a launcher reports for a job whose machine went away


class Runner:
    """Runs jobs to their ends. launcher: local.Local, or another of the same methods."""

    def __init__(self, jobs: list[Job], folder: Path, launcher, overview, retries: int = RETRIES):
        self.jobs, self.folder, self.launcher, self.overview, self.retries = jobs, folder, launcher, overview, retries
        self.running: dict[str, tuple[Job, object, float]] = {}
        self.ledger = Ledger(folder, jobs)

    def run(self) -> int:
        """All jobs; returns 0, 1 when one failed, 75 when stopped by a signal."""
        for job in self.jobs:
            if job.done():
                job.state, job.seconds = "finished", earlier(job)
        with StopSignal() as stop:
            try:
                while self.left() and not stop.requested:
                    self.step()
                    time.sleep(PAUSE)
                if stop.requested:
                    self.stop()
            finally:
                for job, handle, _ in self.running.values():
                    handle.kill()
                    job.state = "waiting"
                self.ledger.write()
                self.overview.close()
        if stop.requested:
            return EXIT_STOPPED
        return 1 if any(job.state == "failed" for job in self.jobs) else 0

    def left(self) -> bool:
        """Whether anything is still to do."""
        return any(job.state in ("waiting", "running") for job in self.jobs)

    def step(self) -> None:
        """One look at everything."""
        for job, handle, since in list(self.running.values()):
            if (status := handle.poll()) is not None:
                self.ended(job, status, time.monotonic() - since)
        for job in self.jobs:
            if job.state == "waiting" and len(self.running) < self.launcher.slots and self.ready(job):
                self.start(job)
        self.ledger.write()
        self.overview.show(self.jobs, {name: since for name, (_, _, since) in self.running.items()})

    def ready(self, job: Job) -> bool:
        """Whether a job may start: its teachers are there and nobody else runs it. A failed teacher fails it."""
        for need in job.needs:
            if need.state == "failed":
                self.fail(job, f"its teacher failed ({need.name}): {need.why}")
        return job.state == "waiting" and all(n.state == "finished" for n in job.needs) and not held(job.folder)

    def start(self, job: Job) -> None:
        """One attempt."""
        if job.done():  # finished meanwhile by a process that an earlier sweep had left
            job.state, job.seconds = "finished", earlier(job)
            return
        job.attempts += 1
        job.state, job.why = "running", ""
        self.overview.started(job)
        self.running[str(job.folder)] = (job, self.launcher.start(job), time.monotonic())

    def ended(self, job: Job, status: int, seconds: float) -> None:
        """A job's process is over: finished, to be tried again, or failed."""
        del self.running[str(job.folder)]
        job.seconds = seconds
        if status == 0 and job.done():
            job.state = "finished"
            self.overview.finished(job)
        elif (status < 0 or status in KILLED) and job.attempts <= self.retries:
            job.state, job.why = "waiting", f"ended by status {status}; tried again"
            self.overview.say(f"killed    {job.name} (status {status}); it continues from its checkpoint")
        else:
            log = log_of(self.folder, job)
            self.fail(job, work.last_words(log) or f"status {status}, see {log}")

    def fail(self, job: Job, why: str) -> None:
        """A job that will not be tried again by this command."""
        job.state, job.why = "failed", why
        self.overview.say(f"FAILED    {job.name}: {why}")

    def stop(self) -> None:
        """Asks everything that runs to save and end, and waits for it."""
        self.overview.say(f"stopping: {len(self.running)} running jobs save themselves")
        for _, handle, _ in self.running.values():
            handle.stop()
        until = time.monotonic() + GRACE
        while self.running and time.monotonic() < until:
            for job, handle, _ in list(self.running.values()):
                if (status := handle.poll()) is not None:
                    del self.running[str(job.folder)]
                    job.state = "finished" if status == 0 and job.done() else "waiting"
            time.sleep(PAUSE)


def earlier(job: Job) -> float:
    """The seconds that a run took which an earlier command finished; 0 where its folder does not tell."""
    return runs.read(job.folder).seconds or 0.0 if job.about else 0.0


def held(folder: Path) -> bool:
    """Whether a living process holds the lock of a run folder (files/lock.py), such as one that a killed sweep left."""
    try:
        descriptor = os.open(folder / ".lock", os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return False
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
