"""What goes to TensorBoard and to Weights & Biases; the latter with its own offline mode where it is installed."""
import importlib.util
import sys
import types

import pytest

from kdjax.config import check, default
from kdjax.errors import UserError
from kdjax.run import boards
from kdjax.run.log import RunLog

ROW = {"stage": "main", "epoch": 1, "train_ce": 1.5, "test_top1": 40.0}


@pytest.fixture
def config():
    fields = default()
    fields.student.name = "resnet8"
    fields.log.update({"tensorboard": False, "wandb": "distillation"})
    return fields


def test_the_numbers_of_a_record_go_there_under_the_run_s_own_name_and_identity(config, tmp_path, monkeypatch):
    asked, sent = [], []
    run = types.SimpleNamespace(log=sent.append, define_metric=lambda *_, **__: None, finish=lambda: sent.append("end"))
    fake = types.SimpleNamespace(init=lambda **words: asked.append(words) or run)
    monkeypatch.setitem(sys.modules, "wandb", fake)
    for _ in range(2):  # a run, and the same continued
        log = RunLog(tmp_path, boards.of(config, tmp_path))
        log.record("epoch", 7, ROW)
        log.close()
    assert sent == [{"step": 7, "epoch/epoch": 1, "epoch/train_ce": 1.5, "epoch/test_top1": 40.0}, "end"] * 2
    assert asked[0] == asked[1] and asked[0]["resume"] == "allow" and asked[0]["project"] == "distillation"
    assert asked[0]["name"] == tmp_path.name and asked[0]["config"]["student"]["name"] == "resnet8"


def test_nothing_is_opened_before_there_is_a_number(config, tmp_path):
    config.log.tensorboard = True
    RunLog(tmp_path, boards.of(config, tmp_path)).close()
    assert list(tmp_path.iterdir()) == []


def test_without_the_package_one_sentence_says_what_to_do(config, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "wandb" else find(name))
    with pytest.raises(UserError, match=r"config.log.wandb needs wandb, .*`pip install wandb`, or set --config"):
        check.check(config)


@pytest.mark.skipif(importlib.util.find_spec("wandb") is None, reason="no wandb: pip install kdjax[wandb]")
def test_offline_everything_stays_in_the_run_s_folder(config, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    log = RunLog(tmp_path, boards.of(config, tmp_path))
    log.record("epoch", 7, ROW)
    log.close()
    assert list(tmp_path.glob("wandb/offline-run-*/*.wandb"))


def test_tensorboard_gets_the_same_scalars(config, tmp_path):
    config.log.update({"tensorboard": True, "wandb": ""})
    log = RunLog(tmp_path, boards.of(config, tmp_path))
    log.record("epoch", 7, ROW)
    log.close()
    written = b"".join(path.read_bytes() for path in (tmp_path / "tensorboard").iterdir())
    assert b"epoch/train_ce" in written and b"epoch/test_top1" in written and b"stage" not in written
