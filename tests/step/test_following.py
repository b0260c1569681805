"""Networks that follow another: which share is kept, what becomes of the statistics, where they start."""
import jax.numpy as jnp
import numpy as np
import pytest

from kdjax.step import ema
from kdjax.step.nets import Net
from kdjax.step.state import TrainState


def net(value, mean=0.0):
    return {"params": {"w": jnp.full(2, value)}, "batch_stats": {"mean": jnp.full(2, mean)}}


def state(own=None) -> TrainState:
    student = net(10.0, 5.0)
    return TrainState(jnp.asarray(3), {"student": student["params"]}, {"student": student["batch_stats"]},
                      ema={"slow": own} if own else {})


def slow(**kwargs) -> dict:
    return {"student": Net(None, "trained"), "slow": Net(None, "ema", follows="student", **kwargs)}


def test_it_starts_as_a_copy_and_keeps_weights_that_it_has():
    assert float(ema.start(state(), slow()).ema["slow"]["params"]["w"][0]) == 10
    assert float(ema.start(state(net(1.0)), slow()).ema["slow"]["params"]["w"][0]) == 1


@pytest.mark.parametrize(("decay", "want"), [(0.9, 1.9), (0.0, 10.0), (1.0, 1.0), (lambda step: step / 4, 3.25)])
def test_the_decay_is_the_share_of_the_old(decay, want):
    moved = ema.follow(state(net(1.0)), slow(decay=decay)).ema["slow"]
    np.testing.assert_allclose(moved["params"]["w"], want, rtol=1e-6)


@pytest.mark.parametrize(("followed", "want"), [("copy", 5.0), ("own", 1.0), ("ema", 1.4)])
def test_the_statistics_are_copied_averaged_or_its_own(followed, want):
    moved = ema.follow(state(net(1.0, 1.0)), slow(decay=0.9, followed=followed)).ema["slow"]
    np.testing.assert_allclose(moved["batch_stats"]["mean"], want, rtol=1e-6)
