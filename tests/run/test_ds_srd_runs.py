"""DS-SRD's programs, stopped in the middle of a run, end with the very numbers of a run in one go."""
import json
import math
import signal

import numpy as np
import pytest
from safetensors.numpy import load_file

from configs import ds_srd, ds_srd_aug, ds_srd_proto, kd
from kdjax.errors import Stopped
from kdjax.run import log as run_log
from kdjax.run import look
from kdjax.run import run as train
from kdjax.run.companions import vanilla_of

STEPS, STOP = 15, 12  # in the third epoch of three: prototypes are of the second


def small(config):
    """Seconds: 160 images of 16x16, five batches an epoch, the tiny pair, prototypes from the second epoch on."""
    config.student.name, config.teacher.name = "wrn_10_1", "wrn_16_1"
    config.data.update({"per_class": 16, "batch_size": 32, "eval_batch_size": 120, "image_size": 16})
    config.train.epochs, config.optim.schedule.milestones = 3, (2,)
    config.teacher.update({"train_epochs": 0, "min_accuracy": 0.0})
    config.experiment.compare = False
    config.log.update({"every_steps": 4, "tensorboard": False, "plots": False})
    config.method.crd.num_negatives = 32
    config.method.proto.update({"num_clusters": (5, 8), "num_negatives": 4, "start_epoch": 2, "num_iters": 5,
                                "restarts": 2})
    return config


def double_student(_):
    config = small(ds_srd.get_config("demo"))
    config.method.names, config.optim.warmup_epochs = ("crd", "proto"), 1
    return config


def taught(config, teacher):
    config = small(config)
    config.teacher.checkpoint = teacher
    return config


def picked(config):
    config.mix.log_scores = True
    return config


CASES = {
    "double student": double_student,
    "cutmix picked": lambda teacher: picked(taught(ds_srd_aug.get_config("mix=cutmix_pick_teacher,demo"), teacher)),
    "prototypes": lambda teacher: taught(ds_srd_proto.get_config("demo,dkd"), teacher),
}


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    folder = tmp_path_factory.mktemp("teacher")
    train.run(vanilla_of(small(kd.get_config("demo")), folder, "wrn_16_1", 1))
    return str(folder / "student")


def stop_at(monkeypatch, step):
    record = run_log.RunLog.record

    def spy(self, kind, at, values):
        record(self, kind, at, values)
        if at == step:
            signal.raise_signal(signal.SIGTERM)
    monkeypatch.setattr(run_log.RunLog, "record", spy)


def stop_in_look(monkeypatch):
    """While the training set is looked at before the second epoch, for the prototypes."""
    features = look.Look.features

    def spy(*args):
        signal.raise_signal(signal.SIGTERM)
        return features(*args)
    monkeypatch.setattr(look.Look, "features", spy)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_a_stopped_run_continues_to_the_same_bits(case, teacher, tmp_path, monkeypatch):
    def run(name):
        config = CASES[case](teacher)
        config.experiment.workdir = str(tmp_path / name)
        return train.run(config)

    whole = run("whole")
    if case == "prototypes":
        with monkeypatch.context() as during:
            stop_in_look(during)
            with pytest.raises(Stopped, match="after step 5;"):
                run("stopped")
    with monkeypatch.context() as during:
        stop_at(during, STOP)
        with pytest.raises(Stopped):
            run("stopped")
    assert not (tmp_path / "stopped/result.json").exists()
    continued = run("stopped")
    assert continued["last"] == whole["last"]
    weights = [load_file(tmp_path / name / "student/weights.safetensors") for name in ("whole", "stopped")]
    assert all(np.array_equal(weights[0][k], weights[1][k]) for k in weights[0].keys() | weights[1].keys())
    rows = [json.loads(line) for line in (tmp_path / "stopped/metrics.jsonl").read_text().splitlines()]
    epochs = [row for row in rows if row["kind"] == "epoch"]
    assert [row["epoch"] for row in epochs] == [1, 2, 3]
    own = next(key for key in epochs[0] if key.startswith("train_proto"))
    assert epochs[0][own] == 0 < epochs[2][own]
    assert all(math.isfinite(v) for row in epochs for v in row.values() if isinstance(v, float))
    if case == "cutmix picked":  # of the picked images the teacher is less certain than of the pool's
        assert all(row["train_score_picked"] > row["train_score_pool"] > 0 < row["train_score_own"] for row in epochs)
        assert all(row["train_weighted_score_pool"] == 0 for row in epochs)
