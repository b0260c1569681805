"""What turns a step into a number that somebody reads: hits, ties, what is not finite, the means of an epoch."""
import jax.numpy as jnp
import numpy as np
import pytest

from kdjax.step.metrics import count, means, no_metrics, tally

NAN = float("nan")


def hits(logits, labels, weights=None):
    got = tally(jnp.asarray(logits, jnp.float32), jnp.asarray(labels), jnp.asarray(weights or [1.0] * len(labels)))
    return float(got["top1"]), float(got["top5"])


def test_of_equal_logits_the_first_wins_as_argmax_has_it():
    tied = [0.0] * 10
    assert hits([tied], [0]) == (1, 1) and hits([tied], [1]) == (0, 1)
    assert hits([tied], [4]) == (0, 1) and hits([tied], [5]) == (0, 0)
    assert hits([[1, 2, 2, 0, 0, 0, 0]], [2]) == (0, 1) and hits([[1, 2, 2, 0, 0, 0, 0]], [1]) == (1, 1)


def test_the_sixth_is_not_among_five_and_the_fifth_is():
    falling = list(range(10, 0, -1))
    assert [hits([falling], [k])[1] for k in (0, 4, 5, 9)] == [1, 1, 0, 0]


def test_a_network_that_is_not_finite_hits_nothing():
    assert hits([[NAN] * 10], [0]) == (0, 0)
    assert hits([[float("inf")] * 10], [0]) == (0, 0) and hits([[-float("inf")] * 10], [0]) == (0, 0)


def test_padding_counts_for_nothing():
    got = tally(jnp.eye(3), jnp.arange(3), jnp.asarray([1.0, 0.0, 1.0]))
    assert float(got["top1"]) == 2 and float(got["count"]) == 2
    whole = tally(jnp.eye(3)[jnp.asarray([0, 2])], jnp.asarray([0, 2]), jnp.ones(2))
    np.testing.assert_allclose(got["loss"], whole["loss"], rtol=1e-6)


def epoch(*steps, names=("ce",)):
    """The counters after steps of (ce, correct, images, gradient is finite)."""
    metrics = no_metrics(names)
    for number, (ce, correct, images, good) in enumerate(steps):
        finite = {"ce": jnp.isfinite(jnp.asarray(ce)), "gradient": jnp.asarray(good)}
        metrics = count(metrics, {"ce": jnp.asarray(ce, jnp.float32)}, jnp.asarray(correct), images, finite, number,
                        {"weighted_ce": jnp.asarray(ce * 2, jnp.float32), "gradient_norm": jnp.asarray(1.5)})
    return metrics


def test_an_epoch_s_means_weigh_a_small_batch_by_its_images():
    got = means(epoch((1.0, 4, 8, True), (1.0, 4, 8, True), (18.0, 1, 1, True)))
    assert got["ce"] == pytest.approx(2.0) and got["top1"] == pytest.approx(100 * 9 / 17)


@pytest.mark.parametrize("bad", [(NAN, 8, 8, True), (float("inf"), 8, 8, True), (5.0, 8, 8, False)])
def test_a_skipped_step_counts_in_no_mean_and_is_counted(bad):
    metrics = epoch((1.0, 2, 8, True), bad, (3.0, 4, 8, True))
    assert means(metrics) == {"ce": pytest.approx(2.0), "top1": pytest.approx(100 * 6 / 16),
                              "weighted_ce": pytest.approx(4.0), "gradient_norm": pytest.approx(1.5)}
    assert (float(metrics["skipped"]), float(metrics["steps"]), float(metrics["images"])) == (1, 2, 24)


def test_an_epoch_without_a_good_step_has_means_of_nothing_and_no_division_by_it():
    assert means(epoch((NAN, 8, 8, True))) == {"ce": 0.0, "top1": 0.0, "weighted_ce": 0.0, "gradient_norm": 0.0}


def test_the_first_bad_step_is_remembered_with_who_is_guilty_and_no_later_one():
    metrics = epoch((1.0, 0, 8, True), (1.0, 0, 8, False), (NAN, 0, 8, True))
    assert int(metrics["bad_step"]) == 1
    assert {name: bool(bad) for name, bad in metrics["bad"].items()} == {"ce": False, "gradient": True}
    assert float(epoch((1.0, 0, 8, True))["bad_step"]) == -1
