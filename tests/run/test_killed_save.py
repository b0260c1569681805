"""Kills in the middle of a save lose nothing that was promised."""

import contextlib
import itertools
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest

from kdjax.run import checkpoints as run_checkpoint
from kdjax.run.checkpoints import RunCheckpoints
from tests.run.checkpoint_child import tree_of
from tests.run.checkpoints import HERE, ROOT, restore_quietly, same


class Killed(BaseException):
    """As a SIGKILL: no handler runs after it that the library has for errors."""


def test_a_kill_between_any_two_operations_loses_nothing(copies, monkeypatch):
    places = [(run_checkpoint, "reserve"), (run_checkpoint, "_write_arrays"), (run_checkpoint, "atomic_write_bytes"),
              (run_checkpoint, "fsync_tree"), (run_checkpoint, "fsync_folder"), (pathlib.Path, "rename"),
              (pathlib.Path, "mkdir"), (shutil, "rmtree")]
    for again in (False, True):
        for deadline in itertools.count(1):
            folder, calls = next(copies), itertools.count(1)
            step = 2 if again else 3
            with monkeypatch.context() as patch, contextlib.suppress(Killed):
                for owner, name in places:
                    patch.setattr(owner, name, _deadly(getattr(owner, name), calls, deadline))
                RunCheckpoints(folder, keep=1).save(step, tree_of(step), {"epoch": step})
                break
            (found, tree, meta), told = restore_quietly(folder)
            assert found in (2, step) and same(tree, tree_of(found)) and meta == {"epoch": found} and not told
            RunCheckpoints(folder, keep=1).save(4, tree_of(4), {"epoch": 4})
            assert os.listdir(folder) == ["4"]
        assert deadline > 8


def _deadly(function, calls, deadline):
    def wrapped(*args, **kwargs):
        if next(calls) == deadline:
            raise Killed
        return function(*args, **kwargs)

    return wrapped


@pytest.mark.parametrize("rounds", [2, pytest.param(25, marks=pytest.mark.slow)])
def test_sigkill_at_random_moments_never_loses_a_step_that_was_promised(tmp_path, rounds):
    rng, promised = random.Random(rounds), 0
    for _ in range(rounds):
        child = subprocess.Popen([sys.executable, HERE / "checkpoint_child.py", tmp_path, str(promised + 1)], text=True,
                                 stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(ROOT)})
        assert child.stdout.readline() == "ready\n"
        time.sleep(rng.uniform(0.1, 0.9))
        child.send_signal(signal.SIGKILL)
        said = [int(line) for line in child.communicate()[0].split("\n") if line]
        promised = max([promised, *said])
        found, told = restore_quietly(tmp_path)
        step, tree, meta = found or (0, tree_of(0), {"epoch": 0})
        assert step in (promised, promised + 1) and same(tree, tree_of(step)) and meta == {"epoch": step} and not told
        promised = step
        assert len([name for name in os.listdir(tmp_path) if name[0] != "."]) <= 4
    assert promised > rounds
