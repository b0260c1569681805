"""Jobs that stand in for runs: small Python programs that count their attempts and then do as they are told."""
import io

import pytest

from kdjax.sweeps.jobs import Job
from kdjax.sweeps.local import Local
from kdjax.sweeps.overview import Overview
from kdjax.sweeps.runner import Runner

PROGRAM = """
import os, pathlib, signal, sys, time
folder = pathlib.Path({folder!r}); folder.mkdir(parents=True, exist_ok=True)
with open(folder / "attempts", "a") as f: f.write("x")
attempt = len((folder / "attempts").read_text())
{body}
(folder / "result.json").write_text("{{}}")
"""


@pytest.fixture(autouse=True)
def on_a_cpu(monkeypatch):
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")  # the launcher then asks no process for the devices


@pytest.fixture
def job(tmp_path):
    """A job that runs `body` (with folder and attempt defined) and is done once it gets past it."""
    def make(name, body="", needs=(), root=tmp_path):
        folder = root / name
        code = PROGRAM.format(folder=str(folder), body=body)
        return Job(name, folder, ["-c", code], (folder / "result.json").is_file, needs=list(needs))
    return make


@pytest.fixture
def sweep(tmp_path):
    """Runs jobs to their end: (status, what was said)."""
    def run(jobs, launcher=None, slots=1, **options):
        tmp_path.mkdir(exist_ok=True)
        said = io.StringIO()
        launcher = launcher or Local(tmp_path, slots)
        status = Runner(jobs, tmp_path, launcher, Overview(launcher.slots, said), **options).run()
        return status, said.getvalue()
    return run


def attempts(job) -> int:
    """How often a job was started."""
    path = job.folder / "attempts"
    return len(path.read_text()) if path.exists() else 0
