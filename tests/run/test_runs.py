"""What happens to a run's folder, numbers and signals; each run here is a real one of seconds."""
import copy
import json
import os
import re
import shutil
import signal

import jax.numpy as jnp
import numpy as np
import pytest

import kdjax.run.run  # noqa: F401 (before a test patches: its modules bind each other's functions when they are loaded)
from kdjax import main
from kdjax.config.command_line import guarded
from kdjax.data import source as sources
from kdjax.device import processes
from kdjax.device.placement import Placement
from kdjax.files import checksums
from kdjax.files.lock import run_lock
from kdjax.run import filler, loop
from kdjax.run import folder as run_folder
from kdjax.run.checkpoints import RunCheckpoints
from kdjax.run.log import RunLog
from kdjax.step import device_step
from kdjax.tasks.distil import Distil

TINY = ["--config=configs/vanilla.py:model=wrn_10_1,demo", "--config.data.per_class=8", "--config.data.batch_size=16",
        "--config.data.image_size=16", "--config.train.epochs=2", "--config.log.every_steps=2",
        "--config.log.tensorboard=False", "--config.log.plots=False"]  # 5 steps an epoch


def run(folder, *words) -> int:
    """The exit status of the command in `folder`."""
    return guarded(lambda: main.main([*TINY, *words, f"--workdir={folder}"]))


def weights(folder) -> bytes:
    return (folder / "student" / "weights.safetensors").read_bytes()


def rows(folder, kind: str) -> list[dict]:
    return [row for row in map(json.loads, (folder / "metrics.jsonl").read_text().splitlines()) if row["kind"] == kind]


def tracked(function, strike):
    """`function`, which calls strike(number of this call) first."""
    calls = []

    def called(*args, **kwargs):
        calls.append(1)
        strike(len(calls))
        return function(*args, **kwargs)
    return called


def signal_at(number: int, name: str = "SIGTERM"):
    """A strike that sends this process a signal at one call."""
    # raise_signal, not os.kill: the signal reaches this thread, whose handler has run when it returns. One that is sent
    # to the process may arrive in another thread and be heeded a moment later: on a busy machine after the run's end.
    return lambda call: signal.raise_signal(getattr(signal, name)) if call == number else None


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "run"
    assert run(folder) == 0
    return folder


@pytest.fixture
def finished(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "run")


@pytest.fixture
def unfinished(finished):
    """The run as if it had been killed after its last save."""
    (finished / "result.json").unlink()
    shutil.rmtree(finished / "student")
    return finished


# ---------------------------------------------------------------- finished, longer, shorter, other

def test_a_finished_run_prints_its_result_and_trains_nothing(finished, capsys):
    before = (finished / "metrics.jsonl").read_bytes()
    assert run(finished, "--config.log.every_steps=3") == 0
    assert "is finished; its result:" in capsys.readouterr().out and (finished / "metrics.jsonl").read_bytes() == before


def test_more_epochs_continue_as_if_asked_for_at_once(finished, tmp_path):
    assert run(finished, "--config.train.epochs=3") == 0 and run(tmp_path / "at once", "--config.train.epochs=3") == 0
    assert weights(finished) == weights(tmp_path / "at once")
    assert [row["epoch"] for row in rows(finished, "epoch")] == [1, 2, 3]


def test_fewer_epochs_than_are_trained_are_refused(finished, capsys):
    assert run(finished, "--config.train.epochs=1") == 2
    assert "has trained 10 steps, more than the 5 of this config" in capsys.readouterr().err


def test_another_meaning_is_refused_with_the_difference(unfinished, capsys):
    assert run(unfinished, "--config.optim.lr=0.1", "--config.data.flip=True") == 2
    said = capsys.readouterr().err
    assert "optim.lr: null -> 0.1" in said and "data.flip: false -> true" in said


def test_the_checkpoint_remembers_the_config_when_config_json_is_lost(unfinished, capsys):
    (unfinished / "config.json").write_text("{")
    assert run(unfinished, "--config.optim.momentum=0.5") == 2
    assert "optim.momentum: 0.9 -> 0.5" in capsys.readouterr().err


def changed(load, **fields):
    return lambda *args: load(*args)._replace(**fields)


def test_other_data_is_refused_with_the_difference_and_the_folder_stays_as_it_was(unfinished, monkeypatch, capsys):
    before = {path: path.read_bytes() for path in unfinished.rglob("*") if path.is_file() and path.name != ".lock"}
    monkeypatch.setattr(sources, "load", changed(sources.load, num_classes=11))
    assert run(unfinished) == 2
    assert "learned from something else (data.classes: 10 -> 11)" in capsys.readouterr().err
    assert all(path.read_bytes() == content for path, content in before.items())


def test_a_run_without_fingerprints_continues_with_a_warning_and_gets_them(unfinished, whole):
    for manifest in (unfinished / "checkpoints").glob("*/MANIFEST"):
        held = checksums.unseal(manifest.read_bytes())
        del held["meta"]["fingerprints"]
        manifest.write_bytes(checksums.seal(held))
    with pytest.warns(UserWarning, match="kept no fingerprints"):
        assert run(unfinished) == 0
    assert weights(unfinished) == weights(whole)
    assert run_folder.read_json(unfinished / "config.json")["fingerprints"]["data"]["classes"] == 10


def test_data_that_lies_elsewhere_is_the_same_data(unfinished, whole, monkeypatch):
    def elsewhere(fields, seed, load=sources.load):
        fields = copy.deepcopy(fields)
        fields.dataset = "digits"
        return load(fields, seed)

    monkeypatch.setattr(sources, "load", elsewhere)
    assert run(unfinished, "--config.data.dataset=moved") == 0 and weights(unfinished) == weights(whole)


def test_the_time_that_is_reported_is_that_of_training_and_evaluation(whole):
    done = run_folder.read_json(whole / "result.json")
    assert done["wall_clock_seconds"] > sum(row["seconds"] for row in rows(whole, "epoch")) + 0.01


def test_what_stands_in_the_way_of_the_result_is_refused_before_training(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sources, "load", lambda *_: pytest.fail("data was loaded"))
    (tmp_path / "run" / "student").mkdir(parents=True)
    (tmp_path / "run" / "student" / "thesis.tex").touch()
    assert run(tmp_path / "run") == 2 and "student is not a network of this run" in capsys.readouterr().err


def test_a_second_writer_is_refused(finished, capsys):
    with run_lock(finished):
        assert run(finished) == 2
    assert "is in use by process" in capsys.readouterr().err


# ---------------------------------------------------------------- damage

def damage(folder, number: int) -> None:
    manifest = folder / "checkpoints" / str(number) / "MANIFEST"
    data = bytearray(manifest.read_bytes())
    data[len(data) // 2] ^= 1
    manifest.write_bytes(data)


def test_a_damaged_newest_checkpoint_costs_an_epoch_and_nothing_else(unfinished, whole):
    damage(unfinished, 10)
    with pytest.warns(UserWarning, match="10 is damaged: file MANIFEST"):
        assert run(unfinished) == 0
    assert weights(unfinished) == weights(whole) and [row["epoch"] for row in rows(unfinished, "epoch")] == [1, 2]


@pytest.mark.filterwarnings("ignore:The checkpoint")
def test_a_run_whose_checkpoints_are_all_damaged_does_not_start_from_scratch(unfinished, capsys):
    damage(unfinished, 5), damage(unfinished, 10)
    before = (unfinished / "metrics.jsonl").read_bytes()
    for _ in range(2):
        assert run(unfinished) == 2
        said = capsys.readouterr().err
        assert "every checkpoint of" in said and "checkpoints/damaged" in said
    assert (unfinished / "metrics.jsonl").read_bytes() == before


def test_metrics_are_cut_where_the_checkpoint_ends(tmp_path):
    log = RunLog(tmp_path)
    for number, epoch in ((5, 1), (10, 2)):
        log.record("step", number, {"stage": "main", "epoch": epoch})
        log.record("epoch", number, {"stage": "main", "epoch": epoch, "loss": float("nan")})
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"kind": "st')
    log.rewind(10, {"main": 1})  # stopped in the evaluation of epoch 2: its steps are saved, its record is to come
    assert [row["step"] for row in rows(tmp_path, "step")] == [5, 10]
    assert [(row["step"], row["loss"]) for row in rows(tmp_path, "epoch")] == [(5, None)]
    assert (tmp_path / "metrics.jsonl").read_text().endswith("}\n")


# ---------------------------------------------------------------- numbers that go wrong

def test_a_rate_that_explodes_stops_the_run_within_a_log_interval(tmp_path, capsys):
    assert run(tmp_path / "run", "--config.optim.lr=1e30") == 1
    said = capsys.readouterr().err
    assert re.match(r"error: step 2 \(main\): (ce|gradient) is not finite; there is no checkpoint yet\.", said)
    assert said.count("\n") == 1 and not (tmp_path / "run").exists()  # there was nothing to keep


EXPLODES = ["--config.optim.schedule.milestones=1", "--config.optim.schedule.decay=1e9"]  # in the second epoch


def check_kept(folder) -> None:
    number, tree, _ = RunCheckpoints(folder / "checkpoints").restore()
    assert number == 5 and all(np.isfinite(leaf).all() for leaf in tree["params"]["student"]["conv1"].values())


@pytest.mark.parametrize("signalled", [False, True])
def test_the_last_good_checkpoint_is_kept_when_numbers_go_wrong(tmp_path, capsys, monkeypatch, signalled):
    if signalled:  # a polite stop must not save what is broken
        monkeypatch.setattr(processes.Vote, "ballot", tracked(processes.Vote.ballot, signal_at(10)))
    assert run(tmp_path / "run", *EXPLODES, "--config.log.every_steps=100") == 1
    said = capsys.readouterr().err
    assert "(main): " in said and "is not finite; checkpoint 5 is the last good one." in said
    check_kept(tmp_path / "run")


@pytest.fixture
def poison(monkeypatch):
    """A cross-entropy that is NaN in steps 3 and 8, counted from 1."""
    pick, main_terms = device_step.pick, Distil.terms

    def marked(objective, given, frozen, data, order, number, *rest):
        batch, key = pick(objective, given, frozen, data, order, number, *rest)
        poison = jnp.where((number == 2) | (number == 7), jnp.nan, 1)
        return batch._replace(draws={**batch.draws, "poison": poison}), key

    def poisoned(task, ctx, memory):
        terms, weights, memory = main_terms(task, ctx, memory)
        return terms | {"ce": terms["ce"] * ctx.batch.draws.get("poison", 1)}, weights, memory

    monkeypatch.setattr(device_step, "pick", marked)
    monkeypatch.setattr(Distil, "terms", poisoned)


def test_the_guilty_step_and_loss_term_are_named(tmp_path, capsys, poison):
    assert run(tmp_path / "run") == 1
    assert "error: step 3 (main): ce is not finite; there is no checkpoint yet." in capsys.readouterr().err


def test_skip_leaves_bad_steps_out_and_counts_them(tmp_path, poison):
    assert run(tmp_path / "run", "--config.train.on_nan=skip") == 0
    assert run_folder.read_json(tmp_path / "run" / "result.json")["skipped_steps"] == 2
    found = rows(tmp_path / "run", "epoch")
    assert [row["skipped"] for row in found] == [1, 1] and all(np.isfinite(row["train_ce"]) for row in found)


@pytest.mark.slow
def test_skip_ends_when_every_step_of_an_epoch_is_bad(tmp_path, capsys):
    assert run(tmp_path / "run", *EXPLODES, "--config.train.epochs=4", "--config.train.on_nan=skip") == 1
    assert "is not finite; checkpoint " in capsys.readouterr().err


# ---------------------------------------------------------------- signals

@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGUSR1"])
def test_a_signal_before_training_ends_at_once_and_leaves_nothing(tmp_path, capsys, monkeypatch, name):
    before = signal.getsignal(getattr(signal, name))
    monkeypatch.setattr(sources, "load", tracked(sources.load, signal_at(1, name)))
    assert run(tmp_path / "runs" / "run") == 75
    said = capsys.readouterr()
    assert f"stopped by {name} with nothing unsaved" in said.out and said.err == "" and not os.listdir(tmp_path)
    assert signal.getsignal(getattr(signal, name)) == before


@pytest.mark.parametrize("call", [3, 10])
def test_a_signal_in_training_saves_and_the_same_command_continues(tmp_path, whole, capsys, monkeypatch, call):
    with monkeypatch.context() as patch:
        patch.setattr(processes.Vote, "ballot", tracked(processes.Vote.ballot, signal_at(call)))
        assert run(tmp_path / "run") == 75
    assert f"stopped by SIGTERM after step {call}; saved in" in capsys.readouterr().out
    assert run(tmp_path / "run") == 0
    assert f"continuing from step {call}" in capsys.readouterr().out and weights(tmp_path / "run") == weights(whole)


@pytest.mark.slow
def test_a_signal_while_the_teacher_s_outputs_are_computed_loses_none_of_them(tmp_path, whole, capsys, monkeypatch):
    """Before the first epoch and before the second, each time after two pieces of eight images a device."""
    for name, value in (("chunk", lambda: 8), ("TOGETHER", 1)):
        monkeypatch.setattr(filler, name, value)
    monkeypatch.setattr(loop, "WAITING", 0)
    command = ("--config=configs/kd.py:student=wrn_10_1,demo", *TINY[1:], "--config.teacher.cache=disk",
               f"--config.teacher.checkpoint={whole}/student", "--config.teacher.min_accuracy=0",
               "--config.experiment.compare=False")
    caches = {name: f"--config.data.cache_dir={tmp_path}/cache of {name}" for name in ("stopped", "other")}
    kept = lambda: len(list((tmp_path / "cache of stopped").rglob("*.rows")))
    for epoch, parts in ((1, 1), (2, 3)):
        with monkeypatch.context() as patch:
            patch.setattr(loop.StageLoop, "waiting", lambda self, at, real=loop.StageLoop.waiting, stop=epoch: tracked(
                real(self, at), signal_at(2 if at == stop else 0)))
            assert run(tmp_path / "stopped", *command, caches["stopped"]) == 75
        said = capsys.readouterr().out
        assert re.search(f"main epoch {epoch}/2: the teacher's outputs, [0-9]+ of [0-9]+ computed", said)
        assert f"stopped by SIGTERM after step {5 * epoch - 5}; saved in" in said and kept() == parts
    assert run(tmp_path / "stopped", *command, caches["stopped"]) == 0 and kept() == 4
    assert run(tmp_path / "other", *command, caches["other"]) == 0
    assert weights(tmp_path / "stopped") == weights(tmp_path / "other")


@pytest.mark.slow
def test_a_signal_at_the_end_of_the_teacher_s_run_does_not_start_the_student_s(tmp_path, monkeypatch, capsys):
    pair = ["--config=configs/kd.py:teacher=resnet8,student=wrn_10_1,demo", *TINY[1:],
            "--config.teacher.train_epochs=1", "--config.teacher.min_accuracy=0", "--config.experiment.compare=False",
            "--config.train.epochs=1"]
    with monkeypatch.context() as patch:
        patch.setattr(run_folder, "write_json", tracked(run_folder.write_json, signal_at(1)))  # result.json
        assert run(tmp_path / "run", *pair) == 75
    assert (tmp_path / "run/teacher/result.json").exists() and not (tmp_path / "run/config.json").exists()
    assert run(tmp_path / "run", *pair) == 0 and run(tmp_path / "run", *pair) == 0  # the third prints the result
    assert "is finished" in capsys.readouterr().out


# ---------------------------------------------------------------- disks

def fill(folder) -> None:
    free = shutil.disk_usage(folder).free
    (folder / "filler").write_bytes(bytes(max(0, free - 4096)))


@pytest.mark.parametrize("owner", [RunCheckpoints, pytest.param(RunLog, marks=pytest.mark.slow)])
def test_a_full_disk_ends_the_run_with_a_sentence_and_room_lets_it_go_on(small_disk, whole, capsys, monkeypatch, owner):
    name, number = ("save", 2) if owner is RunCheckpoints else ("record", 4)  # in the second epoch
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, tracked(getattr(owner, name), lambda n: n == number and fill(small_disk[0])))
        assert run(small_disk[0] / "run") == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and ("is full" in said or "No space left" in said) and "same command" in said
    (small_disk[0] / "filler").unlink()
    assert run(small_disk[0] / "run") == 0 and weights(small_disk[0] / "run") == weights(whole)


def test_a_full_or_read_only_disk_is_refused_before_anything_starts(small_disk, capsys):
    fill(small_disk[0])
    (small_disk[0] / "more").write_bytes(bytes(shutil.disk_usage(small_disk[0]).free))
    assert run(small_disk[0] / "run") == 2 and "cannot write in" in capsys.readouterr().err
    assert small_disk[1]("ro")
    assert run(small_disk[0] / "run") == 2 and "Read-only file system" in capsys.readouterr().err


def test_runs_that_differ_in_the_seed_alone_share_their_compiled_step(tmp_path, monkeypatch):
    """A sweep over seeds compiles once: the seed is an input of the step, not a constant in it."""
    lowered = []
    compile_step = Placement.compile

    def noting(self, step):
        compiled = compile_step(self, step)

        def call(*args):
            if not lowered or lowered[-1][0] is not compiled:
                lowered.append((compiled, compiled.lower(*args).as_text()))
            return compiled(*args)
        return call
    monkeypatch.setattr(Placement, "compile", noting)
    assert run(tmp_path / "a", "--config.seed=0") == run(tmp_path / "b", "--config.seed=1") == 0
    assert len(lowered) == 2 and lowered[0][1] == lowered[1][1]
    assert weights(tmp_path / "a") != weights(tmp_path / "b")
