"""Linear probes and neighbours on given features: the originals' numbers, and what must hold of any."""
import jax
import numpy as np
import pytest

from kdjax.step.pretext_schedules import probe_rate
from kdjax.tasks import probes
from tests.selfsup_golden import close, load


@pytest.mark.parametrize("kind", ["f64", "f32"])
def test_the_sgd_probe_equals_the_original_update_by_update(kind):
    data, meta = load("linear_probe")
    with jax.enable_x64(kind == "f64"):
        wide = lambda name: data[f"in.{name}"].astype(kind.replace("f", "float"))
        rate = probe_rate(meta["lr"], 256, tuple(meta["milestones"]), meta["decay"])
        weight, bias, losses = probes.sgd(wide("features"), data["in.labels"], data["in.order"], wide("weight0"),
                                          rate=rate, batch=meta["batch"])
        logits = wide("val_features") @ np.asarray(weight).T + np.asarray(bias)
    golden = lambda key: data[f"{kind}.sgd.{key}"]
    for got, key in ((losses, "loss_curve"), (weight, "weight"), (bias, "bias"), (logits, "val_logits")):
        close(got, golden(key), kind, states=True)
    for k in (1, 2):
        assert probes.top_k(logits, data["in.val_labels"], k) == pytest.approx(float(golden(f"val_top{k}")))


@pytest.mark.parametrize("kind", ["f64", "f32"])
def test_the_closed_form_equals_the_original(kind):
    data, _ = load("linear_probe")
    wide = lambda name: data[f"in.{name}"].astype(kind.replace("f", "float"))
    weight = probes.closed_form(wide("features"), data["in.labels"], 5)
    close(weight, data[f"{kind}.pinv.weight"], kind, states=True)
    close(wide("val_features") @ weight.T, data[f"{kind}.pinv.val_logits"], kind, states=True)


def test_neighbours_of_the_same_direction_win_the_vote():
    rng = np.random.default_rng(0)
    centre, labels = rng.standard_normal((3, 8)), np.repeat(np.arange(3), 20)
    train = centre[labels] + 0.1 * rng.standard_normal((60, 8))
    scores = probes.neighbours(train.astype(np.float32), labels, 5 * centre.astype(np.float32), 3, k=10)
    assert probes.top_k(scores, np.arange(3)) == 100


def test_no_more_classes_are_counted_than_there_are():
    assert probes.top_k(np.asarray([[0.1, 0.9]]), np.asarray([0]), 5) == 100
