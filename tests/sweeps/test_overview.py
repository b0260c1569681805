"""The counts, the running jobs, and the time that finished runs tell."""
import io
import json

from kdjax.sweeps.overview import Overview


def test_the_time_left_comes_from_what_finished_runs_took(job):
    jobs = [job(name) for name in "abcd"]
    for each in jobs:
        each.about = {"method": "kd"}
    jobs[0].state, jobs[0].seconds = "finished", 100.0
    jobs[1].state, jobs[1].attempts = "running", 1
    lines = Overview(1, io.StringIO()).lines(jobs, {str(jobs[1].folder): 0.0}, now=40.0)
    assert lines[0] == "4 jobs: 1 finished, 1 running, 2 waiting, 0:04:20 left"
    assert lines[1].split()[0] == "b"
    converted = job("convert")
    converted.state, converted.seconds = "finished", 3.0
    assert "0:04:20 left" in Overview(1, io.StringIO()).lines([converted, *jobs], {str(jobs[1].folder): 0.0}, 40.0)[0]
    assert "0:02:10 left" in Overview(2, io.StringIO()).lines(jobs, {str(jobs[1].folder): 0.0}, now=40.0)[0]


def test_a_running_run_shows_its_epoch(job, tmp_path):
    one = job("a")
    one.about, one.state, one.attempts = {"method": "kd"}, "running", 1
    one.folder.mkdir()
    (one.folder / "config.json").write_text(json.dumps({"config": {"train": {"epochs": 8}}}))
    (one.folder / "metrics.jsonl").write_text('{"kind": "epoch", "epoch": 2, "test_top1": 41.5}\n')
    assert "epoch 2 of 8, top-1 41.50" in Overview(1, io.StringIO()).lines([one], {str(one.folder): 0.0}, 9.0)[1]


def test_on_a_terminal_the_block_is_painted_over(job):
    class Terminal(io.StringIO):
        isatty = lambda self: True
        fileno = lambda self: 0
    out = Terminal()
    view = Overview(1, out)
    view.live, view.painted = True, 3
    view.say("finished")
    assert out.getvalue() == "\r\033[K\033[A\033[K\033[A\033[Kfinished\n" and view.painted == 0
