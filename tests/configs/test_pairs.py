"""What a config chooses by its pair of networks is the same in every spelling of the pair, and the run says it."""
import functools
import json
import pathlib
import shutil
import types

import numpy as np
import pytest

from kdjax import main, models, weights
from kdjax.run import header
from kdjax.weights import folder as weights_folder
from kdjax.weights import loading
from kdjax.weights.folder import save_network, save_torch
from tests.configs.test_configs import FILES, get

PAIR = ("resnet56", "resnet20")  # chosen apart by ITRD and by DKD: 1.01 and 2
PAIRED = [name for name in FILES if "common.pair(" in (pathlib.Path("configs") / f"{name}.py").read_text()]


def zeros(tree):
    return {k: zeros(v) if isinstance(v, dict) else np.zeros(v.shape, np.float32) for k, v in tree.items()}


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """{spelling: what stands for the teacher}: its name, a converted folder, a run's folder, a torch file."""
    root = tmp_path_factory.mktemp("teachers")
    net = models.build(PAIR[0], num_classes=100)
    save_network(root / "converted", net, zeros(net.abstract))
    shutil.copytree(root / "converted", root / "run" / "student")
    save_torch(root / "file.pth", net, zeros(net.abstract))
    return {"name": PAIR[0], "folder": str(root / "converted"), "run": str(root / "run"),
            "file": str(root / "file.pth")}


@pytest.fixture(scope="module", autouse=True)
def read_once():
    """Every file is read once, not once a config."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weights, "name_at", functools.cache(weights.name_at))
        yield


def values(config) -> dict:
    """A config without where its teacher lies."""
    plain = json.loads(config.to_json())
    return plain | {"teacher": {k: v for k, v in plain["teacher"].items() if k not in ("name", "checkpoint")}}


def parsed(*words):
    return main.parse(list(words))


def test_every_config_but_plain_training_takes_a_pair():
    assert set(FILES) - set(PAIRED) <= {"vanilla", *(name for name in FILES if "pair(" not in
                                                     (pathlib.Path("configs") / f"{name}.py").read_text())}


@pytest.mark.parametrize("spelling", ["folder", "run", "file"])
@pytest.mark.parametrize("name", PAIRED)
def test_a_teacher_given_by_its_place_chooses_as_its_name_does(name, spelling, places):
    by = lambda teacher: values(get(name, f"teacher={teacher},student={PAIR[1]}"))
    assert by(places[spelling]) == by(places["name"])


@pytest.mark.parametrize("spelling", ["name", "folder", "file"])
@pytest.mark.parametrize("name", ["itrd", "dkd"])
def test_fields_and_the_originals_flags_choose_as_arguments_do(name, spelling, places):
    want = values(get(name, f"teacher={PAIR[0]},student={PAIR[1]}"))
    given = ["--config.teacher.name=resnet56"] if spelling == "name" else [
        f"--config.teacher.checkpoint={places[spelling]}"]
    assert values(parsed(f"--config=configs/{name}.py", f"--config.student.name={PAIR[1]}", *given)) == want
    if spelling != "name":
        got = parsed("--distill", name, "--path_t", places[spelling], "--model_s", PAIR[1])
        assert values(got) == want


def test_a_value_that_is_typed_stays_whatever_the_pair(places):
    config = parsed("--config=configs/itrd.py", f"--config.teacher.checkpoint={places['file']}",
                    "--config.student.name=resnet20", "--config.method.itrd.alpha=1.25")
    assert config.method.itrd.alpha == 1.25


def test_a_demo_stays_a_demo_with_another_student_or_a_given_teacher(places):
    demo = parsed("--config=configs/itrd.py:demo", "--config.student.name=vgg8")
    assert demo.method.itrd.alpha == 1.5 and demo.teacher.train_epochs == 10 and demo.train.epochs == 10
    given = parsed("--config=configs/itrd.py:demo", f"--config.teacher.checkpoint={places['folder']}")
    assert given.experiment.compare and given.train.epochs == 10 and given.method.itrd.alpha == 1.01


def test_of_several_teachers_the_first_one_chooses(places):
    first = get("itrd", f"teacher={places['folder']}+wrn_40_2,student=resnet20")
    second = get("itrd", f"teacher=wrn_40_2+{places['folder']},student=resnet20")
    assert (first.method.itrd.alpha, second.method.itrd.alpha) == (1.01, 1.5)
    assert first.teacher.name == ",wrn_40_2" and second.teacher.checkpoint == f"teachers/wrn_40_2,{places['folder']}"


def test_a_file_beside_the_command_is_a_path_without_a_slash(places, monkeypatch):
    monkeypatch.chdir(pathlib.Path(places["file"]).parent)
    config = get("itrd", "teacher=file.pth,student=resnet20")
    assert (config.teacher.checkpoint, config.teacher.name, config.method.itrd.alpha) == ("file.pth", "", 1.01)


def test_an_experiment_s_number_gives_way_to_a_network_that_is_given(places):
    assert parsed("--config=configs/itrd.py:experiment=13", "--config.student.name=wrn_16_2").method.itrd.alpha == 1.01
    assert get("itrd", "experiment=13,student=wrn_16_2").method.itrd.alpha == 1.01


def test_plain_training_and_a_user_s_own_config_are_left_alone(tmp_path):
    assert parsed("--config=configs/vanilla.py", "--config.student.name=vgg8").student.name == "vgg8"
    own = tmp_path / "own.py"
    own.write_text("from kdjax.config import default\n\n\ndef get_config(arg=None):\n    config = default()\n"
                   "    config.data.dataset = arg or 'digits'\n    return config\n")
    assert parsed(f"--config={own}:cifar10", "--config.student.name=vgg8").data.dataset == "cifar10"


@pytest.mark.parametrize("content", [None, "{", '{"format": "kdjax-network-1"}', "[1]"])
def test_a_place_that_holds_no_network_tells_no_name(tmp_path, content):
    if content is not None:
        (tmp_path / weights_folder.DESCRIPTION).write_text(content)
    assert loading.name_at(tmp_path) == loading.name_at(tmp_path / "nowhere") == ""


def test_the_header_says_what_was_chosen(places):
    config = get("itrd", f"teacher={places['folder']},student=MobileNetV2")
    place = types.SimpleNamespace(devices=[types.SimpleNamespace(device_kind="cpu")])
    split = types.SimpleNamespace(labels=[0])
    data = types.SimpleNamespace(name="toy", train=split, test=split, num_classes=1)
    text = header.header(config, data, types.SimpleNamespace(nets={}), place)
    assert "options  itrd: alpha 1.5  corr_weight 2  mutual_weight 1" in text
    assert "rate 0.01, 240 epochs, times 0.1 after epochs 150, 180, 210" in text
