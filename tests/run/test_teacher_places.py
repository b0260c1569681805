"""Where teachers live: one convention, and what is said when none is there."""
import pytest

from kdjax.config import parse
from kdjax.config.file import load
from kdjax.errors import UserError
from kdjax.run import teachers

SPEC = "configs/kd.py:teacher=resnet56,student=resnet20,dataset=cifar10"


def finished(folder):
    (folder / "student").mkdir(parents=True)
    (folder / "result.json").write_text("{}")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_a_run_of_the_vanilla_config_is_found_once_it_is_finished(tmp_path):
    run = tmp_path / "runs" / "vanilla-none-resnet56-cifar10-s0-t0"
    (run / "checkpoints").mkdir(parents=True)
    assert load(SPEC).teacher.checkpoint == "teachers/resnet56_cifar10"
    finished(run)
    finished(tmp_path / "runs" / "vanilla-none-resnet56-cifar100-s0-t0")  # of other data
    assert load(SPEC).teacher.checkpoint == "runs/vanilla-none-resnet56-cifar10-s0-t0"
    (tmp_path / "teachers" / "resnet56_cifar10").mkdir(parents=True)
    assert load(SPEC).teacher.checkpoint == "teachers/resnet56_cifar10"  # what was put there on purpose wins


def test_the_name_that_a_run_gets_is_the_one_that_is_looked_for():
    from kdjax.run import folder
    config = load("configs/vanilla.py:model=resnet56,dataset=cifar10")
    assert str(folder.workdir(config)) == "runs/vanilla-none-resnet56-cifar10-s0-t0"


@pytest.mark.parametrize(("path", "name", "says", "not_said"), [
    ("teachers/resnet56", "resnet56", "kdjax fetch teachers resnet56", "dataset="),
    ("teachers/resnet56_cifar10", "resnet56",
     "--config vanilla:model=resnet56,dataset=cifar10 --workdir teachers/resnet56_cifar10", "fetch"),
    ("teachers/resnet14", "resnet14", "--config vanilla:model=resnet14 --workdir teachers/resnet14 ", "fetch"),
    ("./gone", "", "check the path", "--workdir"), ("gone.pth", "resnet56", "check the path", "--workdir")])
def test_a_missing_teacher_is_said_with_the_commands_that_make_it(path, name, says, not_said):
    with pytest.raises(UserError, match=f"there is no teacher at {path}") as caught:
        teachers.read(path, name)
    assert says in str(caught.value) and not_said not in str(caught.value)


def test_the_commands_in_the_sentence_are_ones_that_kdjax_understands():
    said = teachers.ways("teachers/resnet56_cifar10", "resnet56")
    words = said.partition("kdjax train ")[2].partition(" (")[0].split()
    asked = parse.parse([*words, "--config.data.batch_size=32"], lambda name: name)
    assert asked.experiment.workdir == "teachers/resnet56_cifar10" and asked.student.name == "resnet56"
