"""A run killed or stopped anywhere becomes, by the same command, bit for bit what it would have been undisturbed."""
import json
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def chaos(methods: str, runs: int, points: str, *flags: str, seed: int = 0) -> dict:
    """Blows that hit, by method; tests.chaos has compared every run with the undisturbed one."""
    command = [sys.executable, "-m", "tests.chaos", f"--methods={methods}", f"--runs={runs}", f"--points={points}",
               f"--seed={seed}", "--json", *flags]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout)


def test_resume_after_kill_is_bit_identical():
    assert len(chaos("itrd", 5, "loading,compile,step,evaluation,manifest")["itrd"]) == 5


def test_a_polite_stop_saves_and_continues_bit_identically_also_in_a_pre_stage():
    assert len(chaos("ft", 4, "step,evaluation,loading", "--polite", seed=1)["ft"]) == 4


@pytest.mark.slow
@pytest.mark.parametrize(("method", "points"), [
    ("itrd", "loading,compile,evaluation,arrays,stage,student"), ("crd", "restore,step,record,manifest,rename,result"),
    ("ft", "teacher,wait,stage,epoch,flush,prune")])
def test_resume_after_a_kill_at_every_kind_of_moment_is_bit_identical(method, points):
    assert len(chaos(method, 6, points, seed=2)[method]) == 6


@pytest.mark.slow
def test_a_polite_stop_anywhere_is_bit_identical_with_a_memory():
    assert len(chaos("crd", 4, "compile,step,evaluation,save", "--polite", seed=3)["crd"]) == 4
