"""What a finished run says of itself: where its numbers come from, and how they came about."""
import datetime
import json

import numpy as np
import pytest

import kdjax
from kdjax.data import subset
from kdjax.data.types import Dataset, Split
from kdjax.run import companions, curves, provenance

CLASSES = ("ant", "bee", "cat", "dog")
DONE = {"student": "resnet8", "method": ["itrd"], "teacher": "resnet14", "dataset": "digits", "seed": 3,
        "last": {"top1": 93.31}, "gain": 1.39, "teacher_accuracy": {"top1": 97.5}, "alone": {"last": {"top1": 91.92}}}


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    labels = np.arange(40) % 4
    images = np.random.default_rng(0).integers(0, 256, (40, 16, 16, 3), np.uint8)
    data = kdjax.dataset((images[:32], labels[:32]), (images[32:], labels[32:]), name="noise", classes=CLASSES)
    folder = tmp_path_factory.mktemp("provenance") / "run"
    changes = {"train.epochs": 2, "optim.schedule.milestones": (1,), "optim.lr": 0.1, "student.name": "wrn_10_1",
               "data.batch_size": 8, "log.tensorboard": False, "log.every_steps": 3, "experiment.workdir": str(folder)}
    return kdjax.train(kdjax.get_config("vanilla:demo", changes), data, quiet=True)


def test_the_result_says_when_how_and_on_what(result):
    told = json.loads((result.folder / "result.json").read_text())
    assert told == result.record
    age = datetime.datetime.now(datetime.UTC) - datetime.datetime.fromisoformat(told["date"])
    assert datetime.timedelta(0) <= age < datetime.timedelta(minutes=10)
    assert told["versions"]["kdjax"] == kdjax.__version__ and told["devices"] and told["command"]
    assert told["loss"] == {"gamma": 1.0, "alpha": 0.0, "beta": 0.0, "kd_temperature": 4.0}


def test_the_records_have_time_rate_and_speed(result):
    rows = result.epochs()
    assert [row["lr"] for row in rows] == pytest.approx([0.1, 0.01])
    assert all(row["images_per_second"] > 0 for row in rows) and rows[0]["time"] < rows[1]["time"]
    steps = [json.loads(line) for line in (result.folder / "metrics.jsonl").read_text().splitlines()]
    assert all("time" in row for row in steps) and {row["kind"] for row in steps} == {"step", "epoch"}


def test_the_exported_student_can_be_served_from_its_folder_alone(result):
    metadata = json.loads((result.folder / "student" / "network.json").read_text())["metadata"]
    assert metadata["classes"] == list(CLASSES)
    assert len(metadata["stats"][0]) == len(metadata["stats"][1]) == 3


def test_the_command_is_told_without_the_folder_of_the_program(monkeypatch):
    monkeypatch.setattr("sys.argv", ["/anywhere/bin/kdjax", "train", "--config", "own configs/kd.py"])
    assert provenance.command() == "kdjax train --config 'own configs/kd.py'"


def test_a_picture_is_drawn_with_title_teacher_and_lone_student(tmp_path, monkeypatch):
    import matplotlib.pyplot as plt
    rows = [{"kind": "epoch", "stage": "ft: first", "epoch": 1, "train_x": 1.0},
            *({"kind": "epoch", "stage": "main", "epoch": n, "train_ce": 1 / n, "train_total": 3 / n,
               "train_top1": 20.0 * n, "test_top1": 25.0 * n if n != 2 else None} for n in (1, 2, 3))]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    drawn = []
    monkeypatch.setattr(plt, "close", drawn.append)
    curves.draw(tmp_path, DONE)
    (figure,) = drawn
    left, right = figure.axes
    assert figure._suptitle.get_text() == "resnet8 by itrd from resnet14 on digits, seed 3: 93.31 (+1.39)"
    assert [line.get_label() for line in right.lines] == ["train", "test", "teacher 97.50", "student alone 91.92"]
    assert [line.get_label() for line in left.lines] == ["ce", "weighted sum"]
    assert list(right.lines[1].get_xdata()) == [1, 3]
    assert (tmp_path / "curves.png").stat().st_size > 1000


def test_a_run_without_teacher_or_epochs_has_no_lines_for_them(tmp_path):
    assert curves.title({**DONE, "teacher": "", "gain": None}) == "resnet8 by itrd on digits, seed 3: 93.31"
    (tmp_path / "metrics.jsonl").write_text("")
    curves.draw(tmp_path, DONE)
    assert not (tmp_path / "curves.png").exists()


def test_the_gain_is_written_when_the_lone_student_is_trained(tmp_path):
    config = kdjax.get_config("kd:demo", {"log.plots": False})
    done = {"last": {"top1": 92.5, "top5": 99.0}, "best": {"top1": 93.0}, "teacher_accuracy": None, "method": ["kd"],
            "student": "resnet8", "images_per_second": None, "wall_clock_seconds": 1.0, "seed": 0}
    alone = {part: {"top1": 90.0, "top5": 99.0} for part in ("last", "best")}
    companions.compare(config, tmp_path, None, done, lambda *_: alone)
    assert json.loads((tmp_path / "result.json").read_text())["gain"] == 2.5


def test_a_part_of_the_classes_keeps_their_names():
    split = Split(np.zeros((8, 4, 4, 3), np.uint8), np.arange(8) % 4)
    data = Dataset("x", split, split, None, 4, 4, (0.5,) * 3, (0.5,) * 3, classes=CLASSES)
    part = subset.classes(data, 0.5, seed=0)
    assert len(part.classes) == 2 and set(part.classes) < set(CLASSES)
