"""Networks that follow another, and the schedules of the pretext tasks, against the originals' numbers."""
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kdjax.step import ema
from kdjax.step.pretext_schedules import Pretext, ema_decay, pretext_rate, probe_rate, warm_up
from tests.selfsup_golden import load


def test_without_momentum_the_target_is_the_online_network():
    target, online = {"a": jnp.ones(3)}, {"a": jnp.arange(3.0)}
    np.testing.assert_array_equal(ema.average(target, online, 0.0)["a"], online["a"])
    np.testing.assert_array_equal(ema.average(target, online, 1.0)["a"], target["a"])
    np.testing.assert_allclose(ema.average(target, online, 0.9)["a"], [0.9, 1.0, 1.1], rtol=1e-6)


def test_the_cosine_momentum_is_the_originals():
    data, meta = load("schedules")
    m = meta["ema_cos"]
    with jax.enable_x64(True):
        rate = ema_decay(m["emam"], "cosine", m["epochs"] * m["iters_per_epoch"])
        np.testing.assert_allclose([float(rate(i)) for i in range(24)], data["ema_cos.m"], atol=1e-12)


@pytest.mark.parametrize("case", range(5))
def test_pretext_learning_rates_equal_the_originals_at_every_step(case):
    data, meta = load("schedules")
    c = meta["cases"][case]
    schedule = Pretext(c["base_lr"], c["batch"], c["epochs"], c["iters_per_epoch"], c["cos"], tuple(c["milestones"]),
                       c["decay"], warm_up(c["epochs"], c["batch"], c["warm_flag"]))
    with jax.enable_x64(True):
        rate = jax.vmap(pretext_rate(schedule))(jnp.arange(c["epochs"] * c["iters_per_epoch"]))
    np.testing.assert_allclose(rate, data[f"case{case}.lr"], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("case", range(2))
def test_linear_evaluations_rates_equal_the_originals(case):
    data, meta = load("schedules")
    c = meta["lincls"][case]
    rate = probe_rate(c["lr"], 256, tuple(c["milestones"]), c["decay"])
    np.testing.assert_allclose([rate(e) for e in range(c["epochs"])], data[f"lincls{case}.lr"], rtol=1e-12)
