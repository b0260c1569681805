"""From a spec to jobs: the grid's runs, each behind the jobs that make its teachers."""
from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from kdjax.sweeps import jobs
from kdjax.sweeps.jobs import Job
from kdjax.sweeps.spec import Spec
from kdjax.sweeps.teachers import Teachers, run_job


def plan(spec: Spec, folder: Path, released: Collection[str] = ()) -> list[Job]:
    """All jobs in the order in which they may start: teachers first. released: teachers that can be fetched by name.

    Raises UserError for what no run could use.
    """
    teachers, runs = Teachers(spec, folder, released), []
    for name, arguments, about in jobs.grid(spec):
        config = jobs.load(arguments)
        needs = teachers.prepare(arguments, config)
        job = run_job(folder, name, arguments, about, config)
        job.needs = needs
        runs.append(job)
    return [*teachers.jobs.values(), *runs]
