"""The teacher several steps ahead: what it trains, what its windows hold, and how long they are."""
import jax
import numpy as np
import pytest

from kdjax.errors import UserError
from kdjax.run.ahead import IMAGES, fitting
from tests.run.staged import config, same, staged, trained


def ahead(steps, where, *names, cache="off", **data):
    c = config(cache, where, *names, **data)
    c.teacher.ahead = steps
    return c


@pytest.mark.slow
def test_it_trains_what_the_teacher_inside_the_step_trains(tmp_path):
    """float64, three steps a window of five steps, the last, smaller batch kept: a method that looks at maps."""
    def run(steps):
        c = ahead(steps, tmp_path, "fitnet", drop_last=False)
        c.train.dtype, c.train.epochs = "float64", 1
        return trained(c, epochs=1)
    with jax.enable_x64(True):
        (inside, stage), (before, other) = run(1), run(3)
        start = jax.tree.leaves(staged(stage.config).state._replace(metrics={}))
    assert (stage.ahead.steps, other.ahead.steps) == (1, 3)
    assert max(np.abs(np.asarray(a) - b).max() for a, b in zip(start, inside)) > 1e-2
    assert max(np.abs(a - b).max() for a, b in zip(before, inside)) < 1e-9


def windows(stage, rows, epoch=2):
    stage.begin_epoch(epoch, fresh=False)
    return [stage.ahead.given(stage.given[0], stage.orders.held[0], row, epoch).window for row in rows]


def test_a_window_begun_in_its_middle_is_the_same_and_holds_only_what_is_looked_at(tmp_path):
    stage = staged(ahead(3, tmp_path, "fitnet"))
    first, again, resumed = windows(stage, [0, 2])[0], windows(stage, [1])[0], windows(staged(stage.config), [2])[0]
    assert same(*map(jax.tree.leaves, (first, again)))
    assert same(*map(jax.tree.leaves, (first, resumed)))
    shapes = {leaf.shape for leaf in jax.tree.leaves(first)}
    assert all(shape[:2] == (3, 8) for shape in shapes)
    assert len(first["teacher x"]) == 2  # the logits for KD, one map for the hint


def test_what_the_cache_serves_is_not_computed_again(tmp_path):
    stage = staged(ahead(3, tmp_path, "pkt", cache="memory"))
    assert stage.ahead.steps == 1
    stage.begin_epoch(1, fresh=True)
    assert windows(stage, [0]) == [{}]


@pytest.mark.parametrize(("images", "size", "memory", "steps"), [
    (64, 1000, 10**9, 16), (1, 10, 10**9, IMAGES), (2048, 10, 10**9, 1), (64, 10**7, 16 * 10**7 * 8 // 4, 4),
    (64, 10**9, 10**9, 1), (64, 1000, None, 1)])
def test_as_many_steps_as_fill_the_device_and_leave_its_memory(images, size, memory, steps):
    assert fitting(images, size, memory) == steps


def test_a_cpu_gains_nothing_and_computes_the_teacher_inside_the_step(tmp_path):
    assert staged(ahead(0, tmp_path, "kd")).ahead.steps == 1


def test_pmap_is_refused(tmp_path):
    c = ahead(2, tmp_path, "kd")
    c.parallel = "pmap"
    with pytest.raises(UserError, match="teacher.ahead"):
        staged(c)
