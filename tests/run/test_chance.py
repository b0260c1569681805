"""A student that learns nothing is told of."""
import types

import pytest

from kdjax.run.chance import hint
from kdjax.run.loop import StageLoop
from kdjax.run.result import summary


@pytest.mark.parametrize(("top1", "classes", "epoch", "expected"), [
    (10.06, 10, 2, True), (11.1, 10, 2, False), (10.06, 10, 1, False), (1.05, 100, 240, True), (1.2, 100, 240, False),
    (50.0, 2, 5, True), (9.94, 0, 2, False)])
def test_chance_is_told_from_learning(top1, classes, epoch, expected):
    assert bool(hint(top1, classes, epoch)) == expected


def test_the_run_says_it_once_and_not_at_its_end():
    said = []
    run = types.SimpleNamespace(data=types.SimpleNamespace(num_classes=10), log=types.SimpleNamespace(say=said.append))
    loop = types.SimpleNamespace(run=run, hinted=False, plan=types.SimpleNamespace(epochs=5))
    for epoch in range(1, 6):
        StageLoop.hint(loop, {"epoch": epoch, "test_top1": 10.0})
    StageLoop.hint(loop, {"epoch": 3})  # an epoch that was not evaluated
    assert len(said) == 1 and said[0].startswith("after epoch 2 the student is no better than chance (10.00% of 10")


def test_the_closing_table_says_it_too():
    last = {"epoch": 2, "top1": 9.94, "top5": 50.0}
    done = {"teacher_accuracy": None, "student": "resnet20", "last": last, "best": last, "method": ["ttm"], "seed": 0,
            "images_per_second": None, "wall_clock_seconds": 1.0, "classes": 10}
    assert "no better than chance (9.94% of 10 classes)" in summary(done)
    assert "chance" not in summary(done | {"last": last | {"top1": 60.0}})
