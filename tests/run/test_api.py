"""kdjax from Python."""
import inspect
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

import kdjax
from kdjax.errors import UserError

ROOT = pathlib.Path(__file__).resolve().parents[2]
TINY = {"train.epochs": 2, "optim.schedule.scale": True, "student.name": "wrn_10_1", "data.batch_size": 8,
        "log.tensorboard": False, "log.plots": False}


@pytest.fixture(scope="module")
def data():
    draw = np.random.default_rng(0)
    labels = np.arange(40) % 4
    images = (draw.integers(0, 60, (40, 16, 16, 3)) + 60 * labels[:, None, None, None]).astype(np.uint8)
    return kdjax.dataset((images[:32], labels[:32]), (images[32:], labels[32:]), name="stripes")


@pytest.fixture(scope="module")
def result(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("api") / "run"
    return kdjax.train(kdjax.get_config("vanilla:demo", TINY | {"experiment.workdir": str(folder)}), data, quiet=True)


def test_importing_kdjax_loads_nothing_heavy_and_its_names_are_found():
    program = ("import kdjax, sys; assert not {'jax', 'numpy', 'flax'} & set(sys.modules); "
               "import kdjax.evaluate; from kdjax import evaluate, convert; "
               "assert kdjax.evaluate is evaluate is sys.modules['kdjax.evaluate'] and callable(evaluate.main); "
               "print(*kdjax.__all__)")
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=120,
                          env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr
    for name in done.stdout.split():
        assert callable(getattr(kdjax, name)) and name in dir(kdjax)
    assert list(inspect.signature(kdjax.evaluate).parameters)[:2] == ["network", "data"]


def test_what_kdjax_does_not_have_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        getattr(kdjax, "trian")  # noqa: B009


def test_training_returns_what_result_json_holds(result):
    assert 0 <= result.top1 <= result.best <= 100 and result.gain is None
    assert [row["epoch"] for row in result.epochs()] == [1, 2]
    assert "wrn_10_1" in str(result) and result.record["dataset"] == "stripes"


def test_the_student_is_loaded_and_measured_as_the_run_measured_it(result, data):
    by_path, by_network = kdjax.evaluate(result.folder, data), kdjax.evaluate(result.network(), data)
    assert by_path == by_network and by_path["top1"] == result.top1
    assert kdjax.load(result.folder)[0].num_classes == 4


def test_the_same_call_reads_a_finished_run(result, data, monkeypatch):
    config = kdjax.get_config("vanilla:demo", TINY | {"experiment.workdir": str(result.folder)})
    before = config.to_json()
    monkeypatch.setattr("kdjax.run.run.train", lambda *_: pytest.fail("trained again"))
    assert kdjax.train(config, data, quiet=True).record == result.record
    assert config.to_json() == before


def test_quiet_says_nothing(result, data, capsys):
    config = kdjax.get_config("vanilla:demo", TINY | {"experiment.workdir": str(result.folder)})
    kdjax.train(config, data, quiet=True)
    assert capsys.readouterr().out == ""
    kdjax.train(config, data)
    assert "is finished" in capsys.readouterr().out


def test_a_changed_length_does_and_says_what_it_does_on_the_command_line():
    from kdjax import main
    with pytest.warns(UserWarning, match="leaves the milestones at"):
        here = kdjax.get_config("crd:demo", {"train.epochs": 40})
    with pytest.warns(UserWarning, match="leaves the milestones at"):
        there = main.parse(["--config=configs/crd.py:demo", "--config.train.epochs=40"])
    assert here.to_json() == there.to_json()


@pytest.mark.parametrize(("changes", "said"), [
    ({"train.epoch": 2}, "did you mean config.train.epochs"), ({"train.epochs": "two"}, "not a whole number"),
    ({"train.epochs": 0}, "too small"), ({"train": 2}, "group of fields"),
    ({"loss.beta": float("nan")}, "is not a finite"),
])
def test_a_mistake_in_a_change_is_one_sentence(changes, said):
    with pytest.raises(UserError, match=said):
        kdjax.get_config("vanilla:demo", changes)


def test_arrays_that_are_no_data_set_are_refused():
    with pytest.raises(UserError, match="must be uint8"):
        kdjax.dataset((np.zeros((4, 8, 8, 3)), np.zeros(4, int)), (np.zeros((4, 8, 8, 3)), np.zeros(4, int)))


def test_a_network_for_other_classes_is_refused_before_the_data_is_read(result):
    with pytest.raises(UserError, match="has 4 classes but cifar100 has 100"):
        kdjax.evaluate(result.folder, "cifar100")


def test_a_file_of_torch_is_converted_to_a_folder(result, tmp_path):
    folder = kdjax.convert(result.folder / "student.pth", tmp_path / "back", image_size=16)
    assert folder == tmp_path / "back" and kdjax.load(folder)[0].name == "wrn_10_1"
