"""sweep.json: what a sweep planned and what became of it, for the report and for the person; never for deciding.

Whether a run is finished its own folder tells; this file adds what a folder cannot: runs that never started or left
nothing behind.
"""
from __future__ import annotations

import json
import shlex
from pathlib import Path

from kdjax.errors import UserError
from kdjax.files.atomic import atomic_write_text
from kdjax.sweeps.jobs import Job
from kdjax.tables.runs import LEDGER, load


class Ledger:
    """The ledger of a sweep's folder. Entries of earlier sweeps in the same folder stay."""

    def __init__(self, folder: Path, jobs: list[Job]):
        self.path, self.folder, self.jobs = folder / LEDGER, folder, jobs
        self.before = (load(self.path) or {}).get("runs") or {}
        self.written = ""

    def write(self) -> None:
        """The state of every job, when it has changed."""
        entries = {job.folder.relative_to(self.folder).as_posix(): self.entry(job) for job in self.jobs
                   if job.folder.is_relative_to(self.folder)}
        runs = {name: entry for name, entry in {**self.before, **entries}.items() if "/" not in name}
        teachers = {name: entry for name, entry in entries.items() if "/" in name}
        text = json.dumps({"runs": runs, "teachers": teachers}, indent=1) + "\n"
        if text != self.written:
            try:
                atomic_write_text(self.path, text)
            except OSError as error:
                raise UserError(f"cannot write {self.path} ({error.strerror}); free some space and run the same "
                                "command again") from None
            self.written = text

    def entry(self, job: Job) -> dict:
        """One job's line."""
        return {"state": job.state, **({"why": job.why} if job.why else {}), **job.about, "attempts": job.attempts,
                "command": shlex.join(["python", *job.command])}
