"""Several steps in one call: what they train, and which steps go together."""
import jax
import numpy as np
import pytest

from kdjax.errors import UserError
from tests.run.staged import config, staged

EPOCH = 6  # five full batches and a smaller one


def together(calls, where, ahead=1, **fields):
    c = config("off", where, "kd", drop_last=False)
    c.train.steps_per_call, c.teacher.ahead, c.train.epochs = calls, ahead, 2
    c.train.update(fields)
    return c


@pytest.mark.slow
def test_it_trains_what_single_steps_train(tmp_path):
    """Two epochs in float64, the teacher ahead by two calls."""
    def run(calls, ahead):
        stage = staged(together(calls, tmp_path, ahead, dtype="float64"))
        wish, steps = stage.place.put_wish(False), []
        for epoch in (1, 2):
            stage.begin_epoch(epoch, fresh=True)
            while stage.step < epoch * EPOCH:
                before = stage.step
                stage.dispatch(wish)
                steps.append(stage.step - before)
        return steps, stage.place.get(stage.state)
    with jax.enable_x64(True):
        (ones, single), (steps, several) = run(1, 1), run(2, 4)
    assert ones == [1] * 12
    assert steps == [2, 2, 1, 1] * 2
    far = [np.abs(np.subtract(a, b, dtype=float)).max() for a, b in zip(*map(jax.tree.leaves, (single, several)))]
    assert max(far) < 1e-9
    assert single.metrics["images"] == several.metrics["images"] == 44


@pytest.mark.parametrize(("start", "counts"), [(0, [3, 1, 1, 1]), (3, [1, 1, 1]), (1, [1, 1, 1, 1, 1]), (6, [3, 1, 1])])
def test_the_calls_of_an_epoch_do_not_depend_on_where_a_run_was_continued(tmp_path, start, counts):
    stage = staged(together(3, tmp_path, steps=11))
    stage.step, made = start, []
    epoch = start // EPOCH + 1
    stage.begin_epoch(epoch, fresh=False)
    while stage.step < min(epoch * EPOCH, stage.plan.steps):
        made.append(stage._together(stage.step % EPOCH))
        stage.step += made[-1]
    assert made == counts


def test_a_window_of_the_teacher_holds_whole_calls(tmp_path):
    with pytest.raises(UserError, match="teacher.ahead=3 must be a multiple of config.train.steps_per_call=2"):
        staged(together(2, tmp_path, ahead=3))
