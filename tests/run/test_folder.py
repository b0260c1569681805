"""What lies in a run's folder already: refused before training where it would be in the way after it."""
import pytest

from kdjax import config as configs
from kdjax.errors import UserError
from kdjax.run import companions, folder
from kdjax.run.checkpoints import RunCheckpoints
from tests.run.checkpoint_child import tree_of


@pytest.mark.parametrize("name", [*folder.FILES, "student.pth", "weak.pth"])
def test_a_folder_in_the_place_of_a_file_is_refused(tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(UserError, match=f"{name} is a folder, where the run will write a file; move it away"):
        folder.check_contents(tmp_path, ("student", "weak"))


@pytest.mark.parametrize("name", ["checkpoints", "tensorboard"])
def test_a_file_in_the_place_of_a_folder_is_refused(tmp_path, name):
    (tmp_path / name).touch()
    with pytest.raises(UserError, match=f"{name} is a file, where the run needs a folder"):
        folder.check_contents(tmp_path)


def test_a_student_of_somebody_else_is_refused_and_one_of_ours_is_not(tmp_path):
    student = tmp_path / "student"
    student.mkdir()
    folder.check_contents(tmp_path)  # empty: free
    (student / "thesis.tex").touch()
    with pytest.raises(UserError, match="student is not a network of this run"):
        folder.check_contents(tmp_path)
    (student / "network.json").touch()
    folder.check_contents(tmp_path)


def test_a_folder_that_is_not_there_yet_is_free_and_a_file_in_its_place_is_not(tmp_path):
    folder.check_contents(tmp_path / "run")
    (tmp_path / "run").touch()
    with pytest.raises(UserError, match="run is a file, where the run needs a folder"):
        folder.check_contents(tmp_path / "run")


def test_the_folders_of_the_runs_that_a_demo_adds_are_looked_at_too(tmp_path):
    config = configs.default()
    assert companions.folders(config, tmp_path) == [tmp_path]
    config.teacher.train_epochs, config.experiment.compare = 10, True
    assert companions.folders(config, tmp_path) == [tmp_path, tmp_path / "teacher", tmp_path / "alone"]
    config.teacher.checkpoint = "teachers/resnet8"
    assert companions.folders(config, tmp_path) == [tmp_path, tmp_path / "alone"]


@pytest.mark.parametrize("what", ["file", "link", "half"])
def test_whatever_is_called_like_a_step_does_not_stand_in_the_way_of_later_saves(tmp_path, what):
    saves = RunCheckpoints(tmp_path / "checkpoints")
    saves.save(20, tree_of(20), {})
    place = tmp_path / "checkpoints" / (".tmp-21" if what == "half" else "21")
    place.symlink_to(tmp_path) if what == "link" else place.touch()
    saves.save(21, tree_of(21), {"good": True})
    saves.save(22, tree_of(22), {})
    assert saves.restore(step=21)[2] == {"good": True} and saves.latest_step() == 22


def own_teacher(epochs: int, **fields) -> dict:
    config = configs.default()
    config.teacher.update({"name": "resnet8", "train_epochs": 10})
    config.train.epochs = epochs
    for name, value in fields.items():
        config.train[name] = value
    own = companions.teacher_of(config, "somewhere")
    return own.to_dict() | {"checkpoint": None}


def test_a_run_that_is_made_longer_keeps_the_teacher_that_it_trained():
    assert own_teacher(10) == own_teacher(20) == own_teacher(10, steps=500)
    assert own_teacher(10)["optim"]["schedule"]["milestones"] == (6, 8, 9)
    assert own_teacher(10)["train"]["epochs"] == 10 and own_teacher(10, steps=500)["train"]["steps"] == 0


def test_the_student_alone_has_the_run_s_own_schedule_and_neither_teacher_nor_method():
    config = configs.default()
    config.method.name, config.student.name, config.student.checkpoint = "kd", "vgg8", "warm"
    own = companions.vanilla_of(config, "somewhere", "vgg8", config.train.epochs)
    assert (own.method.name, own.student.checkpoint, own.loss.alpha) == ("vanilla", "", 0)
    assert own.optim.schedule.milestones == (150, 180, 210) and own.optim.lr_override.to_dict()
