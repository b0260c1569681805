"""A whole sweep of tiny real runs: killed outright in the middle, run again, and reported."""
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
SWEEP = ["--methods", "vanilla,kd,ft", "--pairs", "wrn_10_1/wrn_10_1", "--demo", "--config.data.per_class=8",
         "--config.data.batch_size=16", "--config.data.image_size=16", "--config.train.epochs=2",
         "--config.train.init_epochs=1", "--config.teacher.train_epochs=1", "--config.teacher.min_accuracy=0",
         "--config.log.tensorboard=False", "--config.log.plots=False", "--config.log.every_steps=2"]


def start(folder, *more) -> subprocess.Popen:
    """The sweep as a process."""
    return subprocess.Popen([sys.executable, "-m", "kdjax.sweep", str(folder), *SWEEP, *more], cwd=ROOT, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def report(folder) -> dict:
    """What the report's --json prints."""
    done = subprocess.run([sys.executable, "-m", "kdjax.report", str(folder), "--json"], cwd=ROOT, text=True,
                          capture_output=True, check=True)
    return json.loads(done.stdout)


def rows(run) -> list[dict]:
    """The epochs of a run that were evaluated."""
    found = map(json.loads, Path(run, "metrics.jsonl").read_text().splitlines())
    return [row for row in found if row["kind"] == "epoch" and "test_top1" in row]


@pytest.mark.slow
def test_a_sweep_killed_in_the_middle_ends_in_the_same_table_and_a_failing_run_stops_no_other(tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    bad = ("--grid", "optim.lr=0.05,1e30")  # the second rate makes every run but the teacher diverge
    assert start(whole).wait(timeout=300) == 0
    victim = start(broken)
    while not list(broken.glob("kd-*/metrics.jsonl")):
        assert victim.poll() is None
        time.sleep(0.1)
    os.kill(victim.pid, signal.SIGKILL)
    victim.wait()
    assert start(broken).wait(timeout=300) == 0
    numbers = lambda folder: {(c["method"], tuple(c["seeds"])): (c["mean"], c["best_mean"]) for c in
                              report(folder)["cells"]}
    assert numbers(whole) == numbers(broken) and len(numbers(whole)) == 3
    for cell in report(whole)["cells"]:  # and the table says what the runs wrote
        last = [rows(run)[-1]["test_top1"] for run in cell["runs"]]
        assert cell["mean"] == pytest.approx(np.mean(last), abs=1e-9)
    again = start(broken, *bad, "--methods", "vanilla")
    assert again.wait(timeout=300) == 1
    assert "failed: vanilla-wrn_10_1-digits-lr=1e30-s0" in again.stdout.read()
    (failed,) = report(broken)["failed"]
    assert "not finite" in failed["why"]
