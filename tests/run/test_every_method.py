"""Every method, on one pair of a family and one across families, trains on the digits, is stopped, and continues."""
import importlib
import json
import signal

import pytest

from kdjax.errors import Stopped
from kdjax.methods import METHODS
from kdjax.run import log as run_log
from kdjax.run import run as train
from kdjax.run.companions import vanilla_of

PAIRS = {"same": ("wrn_16_1", "wrn_10_1"), "cross": ("wrn_10_2", "resnet8")}
EQUAL_ONLY = ("fsp", "kdsvd", "ega", "proto")  # refuse the cross pair, whose channels or widths differ
STEADY = {"ab", "fsp"}  # no term of their own in the main stage: the pre-stage's must fall
FAST = ("kd", "itrd", "crd")
BLIND = ("kd", "wsld", "dkd")  # look at logits alone, as others do that run both pairs
CASES = [(m, p) for m in METHODS if m != "vanilla" for p in PAIRS if not (p == "cross" and m in (*EQUAL_ONLY, *BLIND))]


def small(config):
    """Seconds instead of a minute: 320 images of 16x16, batches of 32, four epochs."""
    config.data.update({"per_class": 32, "batch_size": 32, "eval_batch_size": 120, "image_size": 16})
    config.train.update({"epochs": 4, "init_epochs": 2})
    config.optim.schedule.milestones = (3,)
    config.teacher.update({"train_epochs": 0, "min_accuracy": 0.0})
    config.experiment.compare = False
    config.log.update({"every_steps": 5, "tensorboard": False, "plots": False})
    if config.method.name == "fsp":  # whose two epochs before the main stage are near divergence at the full rate
        config.train.init_lr = 0.01
    config.method.crd.update({"num_negatives": 64, "queue_size": 320})
    config.method.rrd.update({"num_negatives": 64, "queue_size": 320})
    return config


@pytest.fixture(scope="session")
def teachers(tmp_path_factory):
    """A trained teacher of each pair."""
    made = {}
    for pair, (teacher, _) in PAIRS.items():
        folder = tmp_path_factory.mktemp("teacher") / pair
        train.run(vanilla_of(small(importlib.import_module("configs.kd").get_config("demo")), folder, teacher, 3))
        made[pair] = str(folder / "student")
    return made


def stop_at(monkeypatch, step: int):
    """Sends this process SIGTERM when the run reports `step`, once."""
    record, sent = run_log.RunLog.record, []

    def spy(self, kind, at, values):
        record(self, kind, at, values)
        if at == step and not sent:
            sent.append(signal.raise_signal(signal.SIGTERM))
    monkeypatch.setattr(run_log.RunLog, "record", spy)


def own_terms(rows: list[dict], method: str) -> dict[str, list[float]]:
    """The epochs' means of the method's own terms (of its pre-stage, if the main stage has none)."""
    known = {"train_ce", "train_total", "train_top1", "train_gradient_norm"}
    stage = [r for r in rows if (r["stage"] == "main") != (method in STEADY)]
    names = [k for k in stage[0] if k.startswith("train_") and "weighted_" not in k and k not in known]
    return {n: [r[n] for r in stage] for n in names if method in n or method in STEADY or method == "kd"}


@pytest.mark.parametrize(("method", "pair"), [
    pytest.param(m, p, marks=[] if m in FAST and p == "same" else pytest.mark.slow) for m, p in CASES])
def test_it_learns_and_continues_where_it_was_stopped(method, pair, teachers, tmp_path, monkeypatch):
    teacher, student = PAIRS[pair]
    config = small(importlib.import_module(f"configs.{method}").get_config(f"demo,teacher={teacher},student={student}"))
    config.teacher.checkpoint = teachers[pair]
    config.experiment.workdir = str(tmp_path)
    if pair == "same":  # stopped half-way; the other pair of a method trains in one go
        stop_at(monkeypatch, 15)
        with pytest.raises(Stopped):
            train.run(config)
        assert not (tmp_path / "result.json").exists()
    result = train.run(config)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    epochs = [r for r in lines if r["kind"] == "epoch"]
    assert [(r["stage"], r["epoch"]) for r in epochs] == list(dict.fromkeys((r["stage"], r["epoch"]) for r in epochs))
    assert max(r["epoch"] for r in epochs) == 4 and result["last"]["epoch"] == 4
    assert all(r["images_per_second"] > 0 for r in epochs)
    assert all(v == v and abs(v) < 1e9 for r in lines for k, v in r.items()
               if isinstance(v, float) and k != "time")
    terms = own_terms(epochs, method)
    assert terms
    # Against the first two epochs: a contrastive loss rises while its memory fills with embeddings, then falls.
    assert any(values[-1] < max(values[:2]) for values in terms.values()), terms
