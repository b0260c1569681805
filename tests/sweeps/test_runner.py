"""The loop over jobs, with programs of milliseconds in place of runs."""
import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from kdjax.sweeps import local, runner, work
from tests.sweeps.conftest import attempts


def test_everything_runs_once_and_a_second_call_starts_nothing(job, sweep):
    jobs = [job("a"), job("b")]
    assert sweep(jobs)[0] == 0 and [attempts(j) for j in jobs] == [1, 1]
    again = [job("a"), job("b")]
    assert sweep(again)[0] == 0 and [attempts(j) for j in again] == [1, 1]


def test_a_failing_run_is_named_the_others_finish_and_the_status_is_1(job, sweep, tmp_path):
    jobs = [job("a"), job("bad", "print('error: the loss is not finite'); sys.exit(1)"), job("c")]
    status, said = sweep(jobs)
    assert status == 1 and [j.state for j in jobs] == ["finished", "failed", "finished"]
    assert "FAILED    bad: error: the loss is not finite" in said and attempts(jobs[1]) == 1
    ledger = json.loads((tmp_path / "sweep.json").read_text())["runs"]
    assert ledger["bad"]["why"] == "error: the loss is not finite" and ledger["c"]["state"] == "finished"


def test_what_failed_is_tried_again_by_the_next_call(job, sweep):
    bad = "sys.exit(1) if attempt < 2 else None"
    assert sweep([job("a", bad)])[0] == 1
    assert sweep([job("a", bad)])[0] == 0


@pytest.mark.parametrize("end", ["os.kill(os.getpid(), signal.SIGKILL)", "sys.exit(75)", "sys.exit(137)"])
def test_a_killed_run_is_tried_again_at_once(job, sweep, end):
    one = job("a", f"{end} if attempt < 3 else None")
    status, said = sweep([one])
    assert status == 0 and attempts(one) == 3 and said.count("killed    a") == 2


def test_a_run_that_is_killed_every_time_fails_in_the_end(job, sweep):
    one = job("a", "os.kill(os.getpid(), signal.SIGKILL)")
    assert sweep([one], retries=1)[0] == 1 and attempts(one) == 2


def test_a_status_of_0_without_a_result_is_a_failure(job, sweep):
    one = job("a", "sys.exit(0)")
    assert sweep([one])[0] == 1 and one.state == "failed"


def test_runs_wait_for_their_teacher_and_fail_with_it(job, sweep):
    teacher = job("teacher", "time.sleep(0.5)")
    check = "sys.exit(3) if not (folder.parent / 'teacher' / 'result.json').exists() else None"
    assert sweep([teacher, job("a", check, [teacher]), job("b", check, [teacher])], slots=3)[0] == 0
    lost = job("lost", "print('error: no such file'); sys.exit(2)")
    pupil = job("pupil", "", [lost])
    assert sweep([lost, pupil])[0] == 1
    assert pupil.why == "its teacher failed (lost): error: no such file" and attempts(pupil) == 0


def test_as_many_run_at_once_as_there_are_places(job, sweep):
    body = ("mine = folder.parent / f'on-{folder.name}'; mine.touch(); time.sleep(0.6)\n"
            "(folder / 'together').write_text(str(len(list(folder.parent.glob('on-*'))))); mine.unlink()")
    jobs = [job(str(k), body) for k in range(4)]
    sweep(jobs, slots=2)
    together = [int((j.folder / "together").read_text()) for j in jobs]
    assert max(together) == 2


def test_a_signal_stops_politely_and_the_same_jobs_go_on(job, sweep):
    body = ("signal.signal(signal.SIGTERM, lambda *_: ((folder / 'saved').touch(), sys.exit(75)))\n"
            "time.sleep(60) if attempt == 1 else None")
    first = job("a", body)
    def strike():
        while attempts(first) == 0:
            time.sleep(0.05)
        time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGTERM)
    threading.Thread(target=strike, daemon=True).start()
    status, said = sweep([first])
    assert status == 75 and (first.folder / "saved").exists() and "save themselves" in said
    assert sweep([job("a", body)])[0] == 0


def test_a_folder_that_a_living_process_holds_is_waited_for(job, sweep, tmp_path):
    """A sweep that was killed may leave a run behind that still saves itself."""
    one = job("a")
    one.folder.mkdir()
    holder = open(one.folder / ".lock", "w")  # noqa: SIM115
    fcntl.flock(holder, fcntl.LOCK_EX)
    assert runner.held(one.folder)
    threading.Timer(1.0, holder.close).start()
    began = time.monotonic()
    assert sweep([one])[0] == 0 and time.monotonic() - began > 0.9 and attempts(one) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent died")
def test_a_killed_sweep_takes_its_runs_with_it(tmp_path):
    code = ("import os, sys, time; from pathlib import Path; from kdjax.sweeps import work\n"
            "program = [sys.executable, '-c', 'import time; time.sleep(60)']\n"
            f"run = work.start(program, Path({str(tmp_path / 'log')!r}), dict(os.environ))\n"
            "print(run.pid, flush=True); time.sleep(60)")
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    for _ in range(100):
        try:
            state = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0]  # noqa: SIM115
        except FileNotFoundError:
            return
        if state == "Z":
            return
        time.sleep(0.05)
    pytest.fail("the run lives on without its sweep")


def test_all_jobs_share_one_cache_of_compiled_programs_unless_one_is_chosen(tmp_path, monkeypatch):
    monkeypatch.delenv("KDJAX_COMPILATION_CACHE", raising=False)
    assert work.environment(tmp_path)["KDJAX_COMPILATION_CACHE"] == str(tmp_path / ".compiled")
    monkeypatch.setenv("KDJAX_COMPILATION_CACHE", "/mine")
    assert work.environment(tmp_path)["KDJAX_COMPILATION_CACHE"] == "/mine"


def test_a_job_settles_its_devices_anew(tmp_path, monkeypatch):
    monkeypatch.setenv("KDJAX_STARTED", "XLA_FLAGS MALLOC_ARENA_MAX")
    monkeypatch.setenv("XLA_FLAGS", "--xla_force_host_platform_device_count=2")
    assert not {"KDJAX_STARTED", "XLA_FLAGS"} & set(work.environment(tmp_path))


def test_every_gpu_gets_one_run_and_shared_ones_share_their_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(local, "devices", lambda: ("gpu", 2))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    one = local.Local(tmp_path)
    assert one.slots == 2 and [one.own(k) for k in range(2)] == [{"CUDA_VISIBLE_DEVICES": c} for c in "01"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    four = local.Local(tmp_path, 4)
    assert [four.own(k)["CUDA_VISIBLE_DEVICES"] for k in range(4)] == ["4", "7", "4", "7"]
    assert four.own(0)["XLA_PYTHON_CLIENT_MEM_FRACTION"] == "0.45"


def test_the_last_words_of_a_log_are_its_error(tmp_path):
    (tmp_path / "log").write_text("error: old\nstep 1\nerror: the disk is full\nTraceback of no interest\n")
    assert work.last_words(tmp_path / "log") == "error: the disk is full"
    assert work.last_words(tmp_path / "none") == ""
