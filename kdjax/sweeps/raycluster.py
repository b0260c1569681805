"""Jobs on a Ray cluster (`pip install kdjax[ray]`). All machines see the same folders."""
from __future__ import annotations

import os
from pathlib import Path

from kdjax.errors import UserError
from kdjax.sweeps import work
from kdjax.sweeps.jobs import Job
from kdjax.sweeps.local import log_of
from kdjax.sweeps.runner import LOST


class Cluster:
    """One Ray task a run. options: address (default: RAY_ADDRESS, else a cluster of this machine), gpus, cpus a run.

    Ray itself retries nothing: a run whose worker or node is lost is started again by the sweep, wherever Ray has room,
    and continues from its checkpoint.
    """

    def __init__(self, folder: Path, slots: int = 0, options: dict[str, str] | None = None):
        try:
            import ray
        except ImportError:
            raise UserError("--launcher ray needs Ray; `pip install ray`") from None
        options = dict(options or {})
        address = options.get("address") or os.environ.get("RAY_ADDRESS")
        self.ray, self.own = ray, not ray.is_initialized()
        if self.own:
            try:
                ray.init(address=address, log_to_driver=False, logging_level="ERROR", include_dashboard=False)
            except Exception as error:  # ray raises many kinds
                raise UserError(f"no Ray cluster at {address} ({str(error)[:200]}); start one with `ray start --head`, "
                                "or leave the address out") from None
        gpus = float(options.get("gpus", 1 if ray.cluster_resources().get("GPU") else 0))
        self.task = ray.remote(num_cpus=float(options.get("cpus", 1)), num_gpus=gpus, max_retries=0)(work.run)
        room = ray.cluster_resources().get("GPU", 0) / gpus if gpus else ray.cluster_resources().get("CPU", 1)
        self.folder, self.slots = folder, slots or max(1, int(room))
        self.what = f"{self.slots} at a time on {len(ray.nodes())} Ray nodes"

    def start(self, job: Job) -> Task:
        """Submits the job."""
        env = work.travelling(self.folder)
        return Task(self.ray, self.task.remote(job.program, str(log_of(self.folder, job).resolve()), env))

    def close(self) -> None:
        """Leaves the cluster."""
        if self.own:
            self.ray.shutdown()


class Task:
    """A job in Ray's hands."""

    def __init__(self, ray, reference):
        self.ray, self.reference = ray, reference

    def poll(self) -> int | None:
        """Its exit status; LOST where the worker or its node went away."""
        if not self.ray.wait([self.reference], timeout=0)[0]:
            return None
        try:
            return self.ray.get(self.reference)
        except Exception:  # RayError in its many kinds, among them WorkerCrashedError and NodeDiedError
            return LOST

    def stop(self) -> None:
        """Cancels it; the run gets SIGTERM and saves itself."""
        self.ray.cancel(self.reference, force=False)

    def kill(self) -> None:
        """Ends its worker; the run ends with it."""
        self.ray.cancel(self.reference, force=True)
