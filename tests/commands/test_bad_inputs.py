"""A mistake costs a user one sentence that says what to do: status 2, no traceback, in seconds, nothing left behind."""
import json
import os
import pathlib
import subprocess
import sys

import pytest

from tests.commands.bad_inputs import CASES

ROOT = pathlib.Path(__file__).resolve().parents[2]
SECONDS = 30  # on a crowded machine; alone a case takes one or two


@pytest.fixture(scope="module")
def tried(tmp_path_factory):
    """{name: what happened}, all cases in one process that forks."""
    command = [sys.executable, "-m", "tests.commands.bad_inputs", str(tmp_path_factory.mktemp("bad"))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return {case["name"]: case for case in map(json.loads, done.stdout.splitlines())}


def test_the_table_has_more_than_sixty_cases():
    assert len(CASES) > 60


@pytest.mark.parametrize("name", CASES)
def test_one_sentence_and_status_2_and_nothing_left(tried, name):
    got = tried[name]
    assert got["status"] == 2 and "Traceback" not in got["stderr"], got["stderr"]
    assert got["stderr"].startswith("error: ") and got["stderr"].count("\n") == 1, got["stderr"]
    assert CASES[name][1] in got["stderr"], got["stderr"]
    assert not got["left"] and got["seconds"] < SECONDS


REAL = {
    "an unknown field": ["-m", "kdjax.main", "--config=configs/itrd.py:demo", "--config.train.epoch=3"],
    "a missing config": ["-m", "kdjax.main", "--config=configs/itdr.py"],
    "a missing teacher": ["-m", "kdjax.main", "--config=configs/kd.py:teacher=./gone"],
    "an unknown data set": ["-m", "kdjax.main", "--config=configs/vanilla.py:demo", "--config.data.dataset=cifar11"],
    "an unwritable folder": ["-m", "kdjax.main", "--config=configs/vanilla.py:demo", "--workdir=/proc/run"],
    "nothing to evaluate": ["-m", "kdjax.evaluate", "./gone"],
    "nothing to convert": ["convert_torch_ckpt.py", "./gone.pth"],
    "an unknown teacher": ["-m", "kdjax.fetch", "teachers", "resnet57"],
}


@pytest.mark.parametrize("name", REAL)
def test_so_it_is_from_a_shell(name, tmp_path):
    command = [str(ROOT / word) if word == "convert_torch_ckpt.py" else word for word in REAL[name]]
    env = dict(os.environ, PYTHONPATH=str(ROOT))
    done = subprocess.run([sys.executable, *command], cwd=tmp_path, env=env, capture_output=True, text=True,
                          timeout=120)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert not os.listdir(tmp_path)
