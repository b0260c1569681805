"""Schedules, streams, the optimizer and its partition."""
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kdjax.config import default
from kdjax.step import optimizer, random, schedules


def rates(config, total, steps):
    rate = schedules.learning_rate(config, total)
    return [float(rate(jnp.asarray(s))) for s in steps]


def test_the_step_schedule_decays_after_the_milestone_epochs():
    config = default()
    first_of = lambda epoch: (epoch - 1) * 781
    steps = [0, first_of(151) - 1, first_of(151), first_of(181), first_of(211), 240 * 781 - 1]
    assert rates(config, 240 * 781, steps) == pytest.approx([0.05, 0.05, 0.005, 5e-4, 5e-5, 5e-5])


def test_the_cosine_of_ds_srd_ends_at_zero_and_the_clean_one_starts_at_base():
    config = default()
    config.optim.schedule.kind, config.train.epochs = "cosine", 10
    assert rates(config, 100, [0])[0] == pytest.approx(0.05)
    config.optim.schedule.offset = 1
    assert rates(config, 100, [95])[0] == pytest.approx(0.0, abs=1e-9)
    assert rates(config, 100, [0, 9]) == pytest.approx([0.05 * 0.5 * (1 + np.cos(np.pi / 10))] * 2)


def test_warm_up_rises_linearly_by_step():
    config = default()
    config.optim.warmup_epochs = 2
    assert rates(config, 2400, [0, 9, 19, 20]) == pytest.approx([0.0025, 0.025, 0.05, 0.05])


@pytest.mark.parametrize(("student", "lr"), [("resnet20", 0.05), ("MobileNetV2", 0.01), ("ShuffleV1", 0.01)])
def test_the_base_rate_depends_on_the_student_unless_given(student, lr):
    config = default()
    config.student.name = student
    assert schedules.base_lr(config) == lr
    config.optim.lr = 0.3
    assert schedules.base_lr(config) == 0.3


def test_decay_is_added_before_momentum_and_nothing_is_nesterov():
    config = default()
    tx = optimizer.sgd(config, lambda _: 0.1)
    p, opt = jnp.asarray(2.0), None
    opt = tx.init(p)
    buffer, expected = 0.0, 2.0
    for grad in (1.0, -0.5, 0.25):
        buffer = 0.9 * buffer + grad + 5e-4 * expected
        expected -= 0.1 * buffer
        update, opt = tx.update(jnp.asarray(grad), opt, p)
        p = p + update
    assert float(p) == pytest.approx(expected, rel=1e-6)


def test_partition_and_combine_are_inverse_and_keep_empty_nodes():
    params = {"student": {"a": {"kernel": 1}, "b": {"kernel": 2}}, "adapters": {"vanilla": {}}}
    trained, fixed = optimizer.partition(params, lambda path: path[1] == "a")
    assert trained == {"student": {"a": {"kernel": 1}}}
    assert optimizer.combine(trained, fixed) == params


def test_streams_differ_by_seed_purpose_and_step_and_repeat():
    data = lambda *a: tuple(np.asarray(jax.random.key_data(random.stream(*a))))
    assert data(0, "main", 3) == data(0, "main", 3)
    assert len({data(0, "main", 3), data(1, "main", 3), data(0, "student", 3), data(0, "main", 4)}) == 4


def test_a_fresh_state_on_the_host_is_what_the_optimizer_begins_with():
    tx = optimizer.own_rates(optimizer.sgd(default(), lambda step: 0.1), {"teacher": 0.2}, 0.1)
    params = {"teacher": {"w": jnp.ones((2, 3)), "b": jnp.ones(3, jnp.bfloat16)}}
    own, made = tx.init(params), optimizer.fresh(tx, params)
    assert jax.tree.structure(own) == jax.tree.structure(made)
    for a, b in zip(jax.tree.leaves(own), jax.tree.leaves(made), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
