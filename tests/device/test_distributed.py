"""Several processes as one run: on 127.0.0.1, with the CPU's collectives, through the front door."""
import json
import os
import pathlib
import random
import signal
import socket
import subprocess
import sys
import time
import types

import numpy as np
import pytest

from kdjax import models
from kdjax.device import processes
from kdjax.errors import EXIT_FAILED, EXIT_STOPPED, UserError
from kdjax.files.lock import run_lock

ROOT = pathlib.Path(__file__).resolve().parents[2]
LONGEST = 240  # seconds until a test gives up on a process
CONFIG = """
from kdjax.config import default

def get_config(arg=None):
    c = default()
    c.student.name, c.data.image_size = "wrn_10_1", 16
    c.data.update({"per_class": 13, "batch_size": 32, "eval_batch_size": 90})
    c.train.update({"epochs": 2, "dtype": "float64"})
    c.log.update({"every_steps": 2, "tensorboard": False, "plots": False})
    if arg == "itrd":
        c.method.name, c.teacher.name, c.teacher.train_epochs, c.teacher.min_accuracy = "itrd", "resnet8", 1, 0.0
        c.experiment.compare = True
    return c
"""
WATCH = """
import os, sys
FOLDER, LOG = os.environ["WATCHED"], os.environ["WATCH_LOG"]

def note(event, args):
    # open: path, mode, flags; the others: path, ...
    if event in ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate") and args:
        writes = event != "open" or (isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        path = os.fsdecode(args[0]) if isinstance(args[0], (str, bytes, os.PathLike)) else ""
        if writes and path.startswith(FOLDER):
            os.write(OUT, f"{event} {path}\\n".encode())

OUT = os.open(LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
sys.addaudithook(note)
"""


class Process:
    """One process of a run, its output in files, and a list of what it wrote in the test's runs."""

    def __init__(self, tmp, name, arguments, **env):
        self.out, self.err, self.log = (tmp / f"{name}.{kind}" for kind in ("out", "err", "written"))
        flags = f"--xla_force_host_platform_device_count={env.pop('devices', 1)}"
        env = os.environ | {"JAX_PLATFORMS": "cpu", "PYTHONPATH": f"{tmp / 'watch'}:{ROOT}", "XLA_FLAGS": flags,
                            "WATCHED": str(tmp / "run"), "WATCH_LOG": str(self.log)} | env
        command = [sys.executable, "-m", "kdjax.main", "--config", *arguments]
        with self.out.open("w") as out, self.err.open("w") as err:
            self.popen = subprocess.Popen(command, cwd=tmp, env=env, stdout=out, stderr=err)

    def wait(self, seconds=LONGEST):
        return self.popen.wait(seconds)

    @property
    def said(self):
        return "".join(line for line in self.out.read_text().splitlines(True) if "[Gloo]" not in line)

    @property
    def errors(self):
        return self.err.read_text()

    @property
    def wrote(self):
        return self.log.read_text().splitlines()


@pytest.fixture
def start(tmp_path):
    """start(name, *arguments, ...) -> Process; all are ended with the test."""
    (tmp_path / "tiny.py").write_text(CONFIG)
    (tmp_path / "watch").mkdir()
    (tmp_path / "watch" / "sitecustomize.py").write_text(WATCH)
    begun = []

    def one(name, *arguments, config="tiny.py", **env):
        begun.append(Process(tmp_path, name, [config, *arguments], **env))
        return begun[-1]

    yield one
    for process in begun:
        process.popen.kill()
        process.popen.wait()


def pair(start, name, *arguments, **kwargs):
    """Both processes of a run that meet at a free port."""
    where = [f"--config.distributed.coordinator=127.0.0.1:{free_port()}", "--config.distributed.num_processes=2"]
    return [start(f"{name}{i}", *arguments, *where, f"--config.distributed.process_id={i}", **kwargs) for i in (0, 1)]


def free_port(ports=(0,)):
    for port in ports:
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
            return s.getsockname()[1]
    raise AssertionError("no free port")


def records(folder):
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    clocks = ("seconds", "time", "images_per_second")
    return [{k: v for k, v in row.items() if k not in clocks} for row in rows]


def flat(tree, path=""):
    if isinstance(tree, dict):
        return {k: v for key, sub in tree.items() for k, v in flat(sub, f"{path}/{key}").items()}
    return {path: tree}


def worst(a, b):
    """The largest difference of the numbers of two nested dicts that are otherwise equal."""
    a, b = flat(a), flat(b)
    assert a.keys() == b.keys()
    numbers = {k for k, v in a.items() if isinstance(v, float) or hasattr(v, "shape")}
    assert {k: v for k, v in a.items() if k not in numbers} == {k: v for k, v in b.items() if k not in numbers}
    return max(float(np.max(np.abs(np.asarray(a[k]) - np.asarray(b[k])))) for k in numbers)


def until(condition, process, seconds=LONGEST):
    end = time.monotonic() + seconds
    while not condition():
        assert process.popen.poll() is None, process.errors[-2000:]
        assert time.monotonic() < end
        time.sleep(0.1)


def epochs_said(process):
    return sum(line.startswith("main epoch") and "test_top1" in line for line in process.said.splitlines())


@pytest.mark.slow
def test_two_processes_train_what_one_with_two_devices_trains_and_only_the_first_writes(start, tmp_path):
    """A teacher, an ITRD student, and the student alone: all that a demo does."""
    together, alone = tmp_path / "run together", tmp_path / "run alone"
    first, second = pair(start, "p", "--workdir", str(together), config="tiny.py:itrd")
    assert (first.wait(), second.wait()) == (0, 0), first.errors[-2000:] + second.errors[-2000:]
    one = start("one", "--workdir", str(alone), config="tiny.py:itrd", devices=2)
    assert one.wait() == 0, one.errors[-2000:]

    assert "distillation gained" in first.said
    assert second.said == ""
    assert first.wrote
    assert second.wrote == []
    for run in ("", "teacher", "alone"):
        networks = [models.load(str(folder / run / "student"))[1] for folder in (together, alone)]
        assert worst(*networks) < 1e-9
        rows = [records(folder / run) for folder in (together, alone)]
        assert len(rows[0]) == len(rows[1])
        assert max(worst(*pairs) for pairs in zip(*rows)) < 1e-9
    results = [json.loads((folder / "result.json").read_text()) for folder in (together, alone)]
    assert worst(*({k: r[k] for k in ("last", "best", "alone", "teacher_accuracy")} for r in results)) < 1e-9


@pytest.mark.slow
def test_a_signal_to_one_stops_all_and_a_lost_one_ends_the_run_and_either_can_be_continued(start, tmp_path):
    """Three lives of one run: SIGTERM to process 1; process 1 killed; the end, in one process alone."""
    folder = tmp_path / "run"
    long = ["--workdir", str(folder), "--config.train.epochs=1000"]

    both = pair(start, "a", *long)
    until(lambda: epochs_said(both[0]) >= 1, both[0])
    both[1].popen.send_signal(signal.SIGTERM)
    assert [p.wait(60) for p in both] == [EXIT_STOPPED] * 2, both[0].errors[-2000:] + both[1].errors[-2000:]
    assert "stopped by a signal to another process after step" in both[0].said
    stopped = epochs_said(both[0])

    both = slurm_pair(start, "b", *long)
    until(lambda: epochs_said(both[0]) >= 2, both[0])
    assert "continuing from step" in both[0].said
    both[1].popen.kill()
    assert both[0].wait(60) == EXIT_FAILED
    assert "error: another process of this run ended or cannot be reached" in both[0].errors
    assert "Traceback" not in both[0].errors
    done = stopped + epochs_said(both[0])

    one = start("c", "--workdir", str(folder), f"--config.train.epochs={done + 1}", devices=2)
    assert one.wait() == 0, one.errors[-2000:]
    assert "continuing from step" in one.said
    epochs = [row["epoch"] for row in records(folder) if row["kind"] == "epoch"]
    assert epochs == list(range(1, done + 2))


def slurm_pair(start, name, *arguments):
    """Both processes of a run as `srun` starts them: variables instead of fields. The job's number makes the port."""
    job = free_port(random.sample(range(61440, 65535), 50)) - 61440
    slurm = {"SLURM_JOB_ID": str(job), "SLURM_STEP_NODELIST": "127.0.0.1", "SLURM_NTASKS": "2"}
    return [start(f"{name}{i}", *arguments, **slurm, SLURM_PROCID=str(i), SLURM_LOCALID=str(i)) for i in (0, 1)]


@pytest.mark.slow
def test_the_loss_of_the_first_process_ends_the_others(start, tmp_path):
    both = pair(start, "p", "--workdir", str(tmp_path / "run"), "--config.train.epochs=1000")
    until(lambda: epochs_said(both[0]) >= 1, both[0])
    both[0].popen.kill()
    assert both[1].wait(60) != 0
    # Ours, or JAX's own when its coordinator is missed before a collective is.
    assert "another process of this run ended" in both[1].errors or "another task died" in both[1].errors


@pytest.mark.slow
def test_a_refusal_of_the_first_process_ends_all(start, tmp_path):
    """The lock is asked for by process 0 alone, as files are written by it alone."""
    with run_lock(tmp_path / "run"):
        both = pair(start, "p", "--workdir", str(tmp_path / "run"))
        assert [p.wait(90) for p in both] == [2, 2]
    assert "in use by process" in both[0].errors
    assert "process 0 cannot go on" in both[1].errors


def distributed(**fields):
    d = {"coordinator": "127.0.0.1:1", "num_processes": 2, "process_id": 0} | fields
    return types.SimpleNamespace(distributed=types.SimpleNamespace(**d))


@pytest.mark.parametrize("process_id", [-1, 2])
def test_a_process_id_out_of_range_is_refused(process_id):
    with pytest.raises(UserError, match=f"process_id={process_id} must lie in 0 .. 1"):
        processes.start(distributed(process_id=process_id))


def test_a_run_of_one_process_starts_nothing(monkeypatch):
    monkeypatch.setenv("SLURM_NTASKS", "4")  # an interactive allocation, without srun
    processes.start(distributed(coordinator=""))
    assert processes.is_first()


def test_a_process_alone_does_what_the_first_does():
    assert processes.first(lambda: 5) == processes.in_turn(lambda: 5) == 5
    with pytest.raises(UserError), processes.held_by_first(lambda: (_ for _ in ()).throw(UserError("no"))):
        pass
