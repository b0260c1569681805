"""A pretext run that is stopped in the middle of an epoch goes on as if it had not been, to the last bit."""
import importlib

import jax
import numpy as np
import pytest

from kdjax.errors import Stopped
from kdjax.run import run as train
from kdjax.run.checkpoints import RunCheckpoints
from tests.run.test_every_method import stop_at

ENCODER = "imix_basic_1_1_1_1_w4"
RUNS = {"byol": ("images", {"method": "byol"}),
        "dssrd": ("dssrd", {"method": "mocon", "weak_loss": "crd"})}    # a queue and banks, besides the target


def small(name: str, folder):
    """Two epochs of five batches of digits."""
    program, ssl = RUNS[name]
    config = importlib.import_module(f"configs.ssl_{program}").get_config("demo")
    config.student.name = ENCODER
    config.ssl.update({"dim": 16, "queue_size": 80, "probe_epochs": 0, "ema": 0.9, **ssl})
    config.ssl.strong, config.ssl.pred = config.ssl.strong and ENCODER, "mlpbn1" if ssl["method"] == "byol" else "none"
    config.ssl.crd.num_negatives, config.method.feat_dim = 16, 16
    config.data.update({"per_class": 16, "batch_size": 32, "image_size": 8, "eval_batch_size": 120})
    config.train.epochs = 2
    config.log.update({"every_steps": 1, "tensorboard": False, "plots": False})
    config.experiment.workdir = str(folder)
    return config


def last(folder) -> dict:
    """The last checkpoint's arrays by path, the counters of the log aside."""
    _, tree, _ = RunCheckpoints(folder / "checkpoints").restore()
    return {jax.tree_util.keystr(path): np.asarray(x) for path, x in jax.tree_util.tree_leaves_with_path(tree)
            if path[0].key != "metrics"}


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
def test_weights_target_queue_and_banks_are_the_same_bit_for_bit(name, tmp_path, monkeypatch):
    train.run(small(name, tmp_path / "whole"))
    stop_at(monkeypatch, 7)
    with pytest.raises(Stopped):
        train.run(small(name, tmp_path / "halved"))
    middle = last(tmp_path / "halved")
    train.run(small(name, tmp_path / "halved"))
    whole, halved = last(tmp_path / "whole"), last(tmp_path / "halved")
    assert whole.keys() == halved.keys()
    for part in ["ema", *(["bank_s", "bank_t", "norm_s", "queue", "ptr"] if name == "dssrd" else ["predictor"])]:
        assert any(part in path for path in whole), part
    assert [path for path in whole if not np.array_equal(whole[path], halved[path])] == []
    moved = [path for path in whole if not np.array_equal(whole[path], middle[path])]
    assert any("ema" in path for path in moved) and (name == "byol" or any("bank_s" in path for path in moved))
