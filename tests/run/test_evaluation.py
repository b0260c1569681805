"""From a trained state to a number: every image once, padding never, ties and NaN as they should be, in time."""
import types

import jax.numpy as jnp
import numpy as np
import pytest

from kdjax.data.types import Split
from kdjax.errors import UserError
from kdjax.run import accuracy
from kdjax.run.evaluations import Evaluations
from kdjax.tasks import Evaluation

N, CLASSES = 7, 6
LABELS = np.arange(N, dtype=np.int32) % CLASSES


def split() -> Split:
    """Images whose first pixel says their number."""
    images = np.zeros((N, 2, 2, 3), np.uint8)
    images[:, 0, 0, 0] = np.arange(N)
    return Split(images, LABELS)


def scored(table, batch_size=3) -> dict:
    """The score of a network whose logits for image n are table[n]."""
    data = {"images": jnp.asarray(split().images), "labels": jnp.asarray(LABELS)}
    number = lambda x: jnp.round(x[:, 0, 0, 0] * 255).astype(int)
    step = accuracy.scorer(lambda variables, x: variables[number(x)], (0.0,) * 3, (1.0,) * 3)
    return accuracy.score(step, jnp.asarray(table, jnp.float32), data, batch_size)


def one_hot(labels, value=1.0):
    return value * (np.asarray(labels)[:, None] == np.arange(CLASSES))


@pytest.mark.parametrize("batch_size", [1, 3, 7, 50])
def test_the_score_does_not_depend_on_the_batch_nor_on_what_fills_it_up(batch_size):
    table = np.random.default_rng(0).standard_normal((N, CLASSES))
    table[0] = one_hot(LABELS, 50.0)[0]  # the image that fills up the last batch is known for certain
    got = scored(table, batch_size)
    ranks = np.argsort(-table, axis=1)
    log_p = table - np.log(np.exp(table).sum(1, keepdims=True))
    assert got["count"] == N
    assert got["top1"] == pytest.approx(100 * np.mean(ranks[:, 0] == LABELS))
    assert got["top5"] == pytest.approx(100 * np.mean((ranks[:, :5] == LABELS[:, None]).any(1)))
    assert got["loss"] == pytest.approx(-np.mean(log_p[np.arange(N), LABELS]), rel=1e-5)


def test_right_and_wrong_networks_have_a_hundred_and_nothing():
    assert [scored(one_hot(LABELS))[k] for k in ("top1", "top5")] == [100, 100]
    assert scored(one_hot((LABELS + 1) % CLASSES))["top1"] == 0


def test_a_network_of_nan_scores_nothing_and_one_that_says_nothing_scores_its_first_class():
    assert [scored(np.full((N, CLASSES), np.nan))[k] for k in ("top1", "top5")] == [0, 0]
    flat = scored(np.zeros((N, CLASSES)))
    assert flat["top1"] == pytest.approx(100 * np.mean(LABELS == 0))
    assert flat["top5"] == pytest.approx(100 * np.mean(LABELS < 5))


def test_evaluate_is_the_score_of_the_network_on_normalised_images():
    class Net:
        def apply(self, variables, images, train):
            assert train is False
            return types.SimpleNamespace(logits=images.reshape(len(images), -1)[:, :CLASSES] + variables), {}

    got = accuracy.evaluate(Net(), jnp.asarray([0.0, 9, 0, 0, 0, 0]), split(), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    assert got["top1"] == pytest.approx(100 * np.mean(LABELS == 1)) and got["count"] == N


def test_a_stop_is_asked_for_between_batches():
    data = {"images": jnp.asarray(split().images), "labels": jnp.asarray(LABELS)}
    asked = []
    step = lambda *_: {k: jnp.ones(()) for k in ("top1", "top5", "loss", "count")}
    accuracy.score(step, None, data, 3, check=lambda: asked.append(1))
    assert len(asked) == 3


# ---------------------------------------------------------------- which evaluation, when

def evaluations(**wanted) -> Evaluations:
    made = object.__new__(Evaluations)
    made.run = types.SimpleNamespace(config=types.SimpleNamespace(seed=0))
    made.observatory = types.SimpleNamespace(look=lambda state, epoch, key, check: epoch)
    made.wanted = {n: Evaluation(lambda epoch: {"top1": epoch, "count": 5}, every) for n, every in wanted.items()}
    return made


def test_an_evaluation_is_due_at_its_cadence_and_after_the_last_epoch():
    due = lambda epoch, last: set(evaluations(test=1, valid=3).after(None, epoch, last, None))
    assert [due(e, False) for e in (1, 2, 3, 4, 6)] == [
        {"test_top1"}, {"test_top1"}, {"test_top1", "valid_top1"}, {"test_top1"}, {"test_top1", "valid_top1"}]
    assert due(5, True) == {"test_top1", "valid_top1"}
    assert evaluations(test=1).after(None, 4, False, None) == {"test_top1": 4}


@pytest.mark.parametrize(("least", "top1", "refused"), [
    (None, 33.0, True), (None, 34.0, False), (0.0, 0.0, False), (70.0, 69.9, True), (70.0, 70.0, False)])
def test_a_teacher_no_better_than_twice_chance_or_than_asked_for_is_refused(least, top1, refused):
    made = evaluations()
    net = types.SimpleNamespace(network=types.SimpleNamespace(name="resnet8"))
    made.run = types.SimpleNamespace(
        data=types.SimpleNamespace(num_classes=CLASSES, name="toy"), frozen={"teacher": {}},
        task=types.SimpleNamespace(nets={"teacher": net}), held=types.SimpleNamespace(seen={"teacher": {}}),
        log=types.SimpleNamespace(say=lambda text: None),
        config=types.SimpleNamespace(teacher=types.SimpleNamespace(min_accuracy=least)))
    made.observatory = types.SimpleNamespace(alone=lambda *_: {"top1": top1, "top5": 99.0})
    if refused:
        with pytest.raises(UserError, match="teacher resnet8 reaches"):
            made.teacher()
    else:
        assert made.teacher()["top1"] == top1
