"""How long a stage is, at which rate, and where its steps count from."""
import types

import pytest

from kdjax import config as configs
from kdjax.errors import UserError
from kdjax.methods.base import Stage
from kdjax.run.plan import plan, stage_lr, steps_per_epoch
from kdjax.tasks import Task


def config(**train):
    made = configs.default()
    made.data.batch_size = 10
    made.train.update({"epochs": 4, "init_epochs": 2} | train)
    return made


FIRST = Stage("first", None)


def plans(images=35, stages=(FIRST,), **train):
    task = Task({}, {"ft": types.SimpleNamespace(stages=stages)}, {})
    return plan(config(**train), task, images)


def test_pre_stages_come_first_and_the_main_one_counts_on_from_them():
    first, main = plans()
    assert (first.name, first.epochs, first.steps, first.offset) == ("ft: first", 2, 6, 0)
    assert (main.name, main.epochs, main.steps, main.offset, main.steps_per_epoch) == ("main", 4, 12, 6, 3)
    assert first.objective.stage_method == "ft" and main.objective.stage is None
    assert [p.offset for p in plans(stages=(Stage("a", None), Stage("b", None)))] == [0, 6, 12]


@pytest.mark.parametrize(("steps", "epochs"), [(1, 1), (3, 1), (4, 2), (100, 34)])
def test_a_length_in_steps_wins_over_epochs(steps, epochs):
    main = plans(steps=steps)[-1]
    assert (main.steps, main.epochs) == (steps, epochs)


@pytest.mark.parametrize(("images", "drop", "want"), [(35, True, 3), (35, False, 4), (30, False, 3), (10, True, 1)])
def test_an_epoch_has_its_full_batches_and_the_last_one_where_it_is_kept(images, drop, want):
    made = config()
    made.data.drop_last = drop
    assert steps_per_epoch(made, images) == want


def test_a_batch_larger_than_the_data_is_refused():
    with pytest.raises(UserError, match="batch_size=10 is larger than the 9 training images"):
        steps_per_epoch(config(), 9)


def test_a_pre_stage_s_rate_is_the_one_given_else_its_own_else_the_student_s():
    made = config()
    assert stage_lr(made, Stage("a", None, lr=0.3)) == 0.3 and stage_lr(made, Stage("a", None)) == 0.05
    made.student.name = "MobileNetV2"
    assert stage_lr(made, Stage("a", None)) == 0.01
    made.train.init_lr = 0.7
    assert stage_lr(made, Stage("a", None, lr=0.3)) == 0.7


@pytest.mark.parametrize("on_nan", ["stop", "skip"])
def test_bad_steps_are_skipped_where_that_is_asked_for(on_nan):
    assert [p.objective.skip_bad_steps for p in plans(on_nan=on_nan)] == [on_nan == "skip"] * 2
