"""kdjax.files.lock: one run folder, one writer, and no lock that outlives its holder."""

import os
import pathlib
import signal
import subprocess
import sys

import pytest

from kdjax.errors import UserError
from kdjax.files.lock import run_lock

ROOT = pathlib.Path(__file__).parents[2]
HOLD = """
import sys, time
from kdjax.files.lock import run_lock
with run_lock(sys.argv[1]):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path):
    child = subprocess.Popen([sys.executable, "-c", HOLD, tmp_path / "run"], stdout=subprocess.PIPE, text=True,
                             env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert child.stdout.readline() == "held\n"
    yield child
    child.kill()
    child.communicate()


def test_a_second_process_is_refused_with_the_first_ones_pid(holder, tmp_path):
    with pytest.raises(UserError, match=f"in use by process {holder.pid} on .*--workdir"), run_lock(tmp_path / "run"):
        pass


def test_sigkill_frees_the_lock(holder, tmp_path):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with run_lock(tmp_path / "run"):
        assert (tmp_path / "run" / ".lock").read_text().startswith(f"{os.getpid()} on ")


def test_the_lock_makes_its_folder_and_can_be_taken_again_also_after_an_error(tmp_path):
    folder = tmp_path / "a" / "b"
    with pytest.raises(RuntimeError), run_lock(folder):
        raise RuntimeError
    with run_lock(folder), pytest.raises(UserError, match=str(os.getpid())), run_lock(folder):
        pass
    assert os.listdir(folder) == [".lock"]


def test_two_folders_have_two_locks(tmp_path):
    with run_lock(tmp_path / "a"), run_lock(tmp_path / "b"):
        pass


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    folder = tmp_path / "file" / "run"
    with pytest.raises(UserError, match="Cannot write in the run folder .*--workdir"), run_lock(folder):
        pass
