"""Jobs on a SLURM cluster, through submitit (`pip install kdjax[slurm]`). All machines see the same folders."""
from __future__ import annotations

from pathlib import Path

from kdjax.errors import UserError
from kdjax.sweeps import work
from kdjax.sweeps.jobs import Job
from kdjax.sweeps.local import log_of
from kdjax.sweeps.runner import LOST

DEFAULTS = {"name": "kdjax", "timeout_min": 24 * 60, "gpus_per_node": 1, "cpus_per_task": 4}


class Slurm:
    """One SLURM job a run. options: what submitit's `update_parameters` takes, and cluster=slurm|local|debug."""

    def __init__(self, folder: Path, slots: int = 0, options: dict[str, str] | None = None):
        try:
            import submitit
        except ImportError:
            raise UserError("--launcher slurm needs submitit; `pip install submitit`") from None
        options = dict(options or {})
        cluster = options.pop("cluster", None)
        try:
            self.executor = submitit.AutoExecutor(folder=folder / "slurm", cluster=cluster)
            given = DEFAULTS | {name: _number(value) for name, value in options.items()}
            self.executor.update_parameters(**(given if self.executor.cluster == "slurm" else {"timeout_min": 60}))
        except Exception as error:  # submitit raises whatever the cluster does
            raise UserError(f"SLURM cannot be used ({str(error)[:200]}); --option cluster=local tries submitit on this "
                            "machine") from None
        self.folder, self.slots, self.what = folder, slots or 1000, f"on {self.executor.cluster}, through submitit"

    def start(self, job: Job) -> Submitted:
        """Submits the job."""
        env = work.travelling(self.folder)
        return Submitted(self.executor.submit(work.run, job.program, str(log_of(self.folder, job).resolve()), env))

    def close(self) -> None:
        """SLURM keeps what was submitted."""


class Submitted:
    """A job in SLURM's hands."""

    def __init__(self, job):
        self.job = job

    def poll(self) -> int | None:
        """Its exit status; LOST where the job ended without one (a node went away, its time was over)."""
        if not self.job.done():
            return None
        try:
            return self.job.result()
        except Exception:  # submitit raises its own, and whatever the pickled result holds
            return LOST

    def stop(self) -> None:
        """Cancels it: SLURM sends SIGTERM, and the run saves itself."""
        self.job.cancel(check=False)

    kill = stop


def _number(text: str):
    return int(text) if text.lstrip("-").isdigit() else text
