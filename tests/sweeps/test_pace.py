"""The time that is left, told by epochs: while no run has finished, and where runs go on that were stopped."""
import json
import types

import pytest

from kdjax.sweeps.pace import Pace, Paces
from kdjax.sweeps.runner import earlier


@pytest.fixture
def run(job):
    """A run of four epochs, and a way to finish some of them."""
    made = job("a")
    made.about, made.config = {"method": "kd"}, types.SimpleNamespace(train=types.SimpleNamespace(epochs=4))
    made.state, made.attempts = "running", 1
    made.folder.mkdir()

    def finish(*epochs):
        rows = [json.dumps({"kind": "epoch", "epoch": epoch, "test_top1": 50.0}) for epoch in epochs]
        (made.folder / "metrics.jsonl").write_text("\n".join(rows))
    return made, finish


def test_between_two_epochs_the_time_left_falls(run):
    job, finish = run
    paces = Paces()
    assert paces.left([job], [(job, 0.0)], 1) == 0
    finish(1)
    assert [paces.left([job], [(job, now)], 1) for now in (100.0, 130.0)] == [300, 270]
    finish(1, 2)
    assert paces.left([job], [(job, 190.0)], 1) == pytest.approx(190)  # two epochs at 95 s


def test_what_an_earlier_attempt_did_is_not_this_ones_speed(run):
    job, finish = run
    finish(1, 2)
    paces = Paces()
    paces.look(job, 0.0)
    finish(1, 2, 3)
    assert paces.left([job], [(job, 100.0)], 1) == 100
    job.attempts = 2
    assert paces.look(job, 0.0).whole == 0


def test_a_run_past_its_time_owes_nothing():
    assert Pace(had=0.0, part=0.0).rest(seconds=50.0, typical=40.0) == 0


def test_a_sweep_that_goes_on_knows_what_its_finished_runs_took(job, sweep):
    done = job("a")
    done.about = {"method": "kd"}
    done.folder.mkdir()
    (done.folder / "result.json").write_text(json.dumps({"last": {"top1": 50.0}, "wall_clock_seconds": 40.0}))
    assert sweep([done])[0] == 0
    assert done.seconds == earlier(done) == 40
