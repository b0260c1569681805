"""The numbers that a reader quotes: the last epoch's is the headline, the best one's stands beside it."""
import json
import types

import pytest

from kdjax import config as configs
from kdjax.run import result
from kdjax.run.loop import StageLoop

EPOCHS = [(1, 50.0), (2, 80.0), (3, 80.0), (4, 70.0)]  # the best comes before the last, and twice


def row(epoch, top1, **more) -> dict:
    return {"stage": "main", "epoch": epoch, "test_top1": top1, "test_top5": top1 + 10, "test_loss": 100 - top1,
            "train_top1": 99.0 - epoch, "skipped": 1, "seconds": 1.0, **more}


def history(epochs=EPOCHS, main=True, **more) -> dict:
    """What a run remembers after these epochs."""
    run = types.SimpleNamespace(history=result.no_history(), seconds=7.0)
    loop = types.SimpleNamespace(run=run, main=main, plan=types.SimpleNamespace(name="main"),
                                 speed=types.SimpleNamespace(images=640, seconds=2.0))
    for epoch, top1 in epochs:
        StageLoop.remember(loop, row(epoch, top1, **more))
    return run.history


def done(epochs=EPOCHS, teacher=None, **more) -> dict:
    config = configs.default()
    config.seed, config.data.dataset, config.train.epochs = 3, "toy", len(epochs)
    return result.result(config, history(epochs, **more) | {"teacher": teacher}, "resnet8", "resnet56")


def test_last_is_the_last_epoch_and_best_the_first_of_the_highest():
    got = done()
    assert got["last"] == {"epoch": 4, "top1": 70.0, "top5": 80.0, "loss": 30.0}
    assert got["best"] == {"epoch": 2, "top1": 80.0, "top5": 90.0, "loss": 20.0}


def test_a_worse_start_and_a_better_end_are_both_followed():
    got = done([(1, 80.0), (2, 50.0), (3, 90.0)])
    assert got["last"]["epoch"] == got["best"]["epoch"] == 3
    assert done([(1, 80.0), (2, 50.0)])["best"]["epoch"] == 1


def test_best_is_chosen_on_the_test_set_and_brings_its_epoch_s_validation():
    got = done(valid_top1=42.0, valid_top5=43.0)
    assert got["best"]["epoch"] == 2 and got["best"]["valid_top1"] == 42.0 and got["last"]["valid_top5"] == 43.0


def test_a_pre_stage_is_no_headline_and_its_skipped_steps_count():
    got = history(main=False)
    assert got["last"] is None and got["best"] is None and got["skipped"] == 4 and got["epochs"] == {"main": 4}


def test_result_json_says_what_was_run_how_long_and_how_fast():
    got = done(teacher={"top1": 95.0, "top5": 99.0})
    assert (got["student"], got["teacher"], got["dataset"], got["seed"], got["epochs"]) == (
        "resnet8", "resnet56", "toy", 3, 4)
    assert (got["skipped_steps"], got["wall_clock_seconds"], got["images_per_second"]) == (4, 7.0, 320.0)
    assert got["teacher_accuracy"]["top1"] == 95.0 and json.loads(json.dumps(got)) == got


def test_the_closing_table_puts_last_before_best_and_the_gain_is_that_of_the_last_epochs():
    got = done(teacher={"top1": 95.0, "top5": 99.0}) | {
        "alone": {"last": {"top1": 60.0, "top5": 61.0}, "best": {"top1": 79.0, "top5": 62.0}}}
    text = result.summary(got)
    cells = {line.split()[1]: line.split()[-3:] for line in text.splitlines() if line.startswith("resnet")}
    student = next(line for line in text.splitlines() if "student, vanilla" in line).split()
    assert student[-3:] == ["70.00", "80.00", "80.00"] and cells["teacher"] == ["teacher", "95.00", "99.00"]
    alone = next(line for line in text.splitlines() if "student alone" in line).split()
    assert alone[-3:] == ["60.00", "79.00", "61.00"]
    assert "distillation gained +10.00 points (last epoch)" in text
    assert "0:00:07 of training and evaluation, 320 images/s, seed 3" in text


def test_a_finished_run_is_one_of_the_same_length_with_all_that_was_asked_for(tmp_path):
    config = configs.default()
    config.train.epochs = 4
    (tmp_path / "result.json").write_text(json.dumps(done()))
    assert result.finished(config, tmp_path)["last"]["epoch"] == 4 and result.finished(config, tmp_path / "no") is None
    config.experiment.compare = True
    assert result.finished(config, tmp_path) is None
    config.experiment.compare, config.train.epochs = False, 5
    assert result.finished(config, tmp_path) is None


@pytest.mark.parametrize("seconds", [0.0, 4.0])
def test_a_run_too_short_to_be_timed_has_no_speed(seconds):
    got = result.result(configs.default(), history() | {"speed_seconds": seconds}, "a", "b")
    assert got["images_per_second"] == (160.0 if seconds else None) and "seed 0" in result.summary(got)
