"""Every config file loads, bare and as a demo, sets known fields only, and carries the published numbers."""
import csv
import importlib
import pathlib
import re

import pytest

from kdjax.config import default
from kdjax.errors import UserError
from kdjax.methods import METHODS, chosen
from kdjax.step.schedules import base_lr

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "configs"
EVERY = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "common")
PROGRAMS = ("ds_srd", "ssl_", "transfer")  # what the names of whole programs begin with, which have tests of their own
FILES = [name for name in EVERY if not name.startswith(PROGRAMS)]

WEIGHTS = {  # spec/protocols.md, section 2: gamma, alpha, beta
    "kd": (0.1, 0.9, 0), "fitnet": (1, 0, 100), "at": (1, 0, 1000), "sp": (1, 0, 3000), "cc": (1, 0, 0.02),
    "vid": (1, 0, 1), "rkd": (1, 0, 1), "pkt": (1, 0, 30000), "ab": (1, 0, 1), "ft": (1, 0, 200), "fsp": (1, 0, 50),
    "nst": (1, 0, 50), "kdsvd": (1, 0, 1), "crd": (1, 0, 0.8), "itrd": (1, 0, 1), "ickd": (1, 0, 2.5),
    "dcd": (1, 0, 1), "rrd": (1, 0, 1), "ega": (1, 0, 1), "wsld": (0, 0, 1), "dkd": (1, 0, 1),
    "semckd": (1, 1, 400), "srrl": (1, 1, 1), "simkd": (0, 0, 1), "ofd": (1, 0, 1e-3), "reviewkd": (1, 0, 5),
    "dist": (1, 0, 2), "lskd": (0.1, 0, 9), "mlkd": (0.1, 0, 0.9), "cat_kd": (1, 0, 15), "ctkd": (0.1, 0, 0.9),
    "nkd": (1, 0, 1), "ttm": (1, 0, 45), "wttm": (1, 0, 4), "sdd": (1, 0, 1), "kdpp": (1, 0, 1), "rld": (1, 0, 1)}
OWN_PROTOCOL = {"vid_cifar10", "mlkd", "kdpp"}

ITRD = [  # the thirteen experiments: teacher, student, alpha_it, learning rate
    ("wrn_40_2", "wrn_16_2", 1.01, 0.05), ("wrn_40_2", "wrn_40_1", 1.01, 0.05), ("resnet56", "resnet20", 1.01, 0.05),
    ("resnet110", "resnet20", 1.01, 0.05), ("resnet110", "resnet32", 1.01, 0.05),
    ("resnet32x4", "resnet8x4", 1.01, 0.05),
    ("vgg13", "vgg8", 1.01, 0.05), ("vgg13", "MobileNetV2", 1.5, 0.01), ("ResNet50", "MobileNetV2", 1.5, 0.01),
    ("ResNet50", "vgg8", 1.5, 0.05), ("resnet32x4", "ShuffleV1", 1.5, 0.01), ("resnet32x4", "ShuffleV2", 1.5, 0.01),
    ("wrn_40_2", "ShuffleV1", 1.5, 0.01)]


def get(name, arg=None):
    return importlib.import_module(f"configs.{name}").get_config(arg)


def fields(config, prefix=""):
    """All dotted names of a config."""
    for key in config:
        value = config.get_oneway_ref(key).get() if config[key] is None else config[key]
        yield prefix + key
        if hasattr(value, "keys"):
            yield from fields(value, f"{prefix}{key}.")


def test_there_is_a_config_for_every_method():
    assert set(METHODS) <= set(FILES)


@pytest.mark.parametrize("name", FILES)
def test_a_config_loads_bare_with_a_pair_and_as_a_demo_and_sets_known_fields_only(name):
    model = "model=resnet20" if name == "vanilla" else "teacher=resnet56,student=resnet20"
    for arg in (None, "demo", f"{model},seed=3", f"{model},dataset=cifar10,demo"):
        config = get(name, arg)
        assert sorted(fields(config)) == sorted(fields(default()))
        assert list(chosen(config)) == [name.removesuffix("_cifar10")]
    assert get(name, "seed=3").seed == 3


@pytest.mark.parametrize("name", FILES)
def test_a_demo_uses_the_embedded_digits_and_trains_its_own_teacher(name):
    config = get(name, "demo")
    assert config.data.dataset == "digits" and config.train.epochs <= 10
    assert config.optim.schedule.milestones == (6, 8, 9)
    if name != "vanilla":
        assert config.teacher.train_epochs > 0 and config.teacher.name and not config.teacher.checkpoint
    per_step = config.data.batch_size
    assert config.method.rrd.queue_size % per_step == 0


@pytest.mark.parametrize("name", sorted(WEIGHTS))
def test_the_weights_are_those_of_the_published_scripts(name):
    loss = get(name).loss
    assert (loss.gamma, loss.alpha, loss.beta, loss.kd_temperature) == (*WEIGHTS[name], 4.0)


@pytest.mark.parametrize("name", ["crd", "ickd", "dcd", "rrd"])
def test_the_published_combinations_with_kd_add_the_kl_term(name):
    assert get(name, "kd").loss.alpha == 1.0 and get(name, "kd").loss.beta == get(name).loss.beta


@pytest.mark.parametrize("name", sorted(set(FILES) - OWN_PROTOCOL))
def test_the_protocol_is_the_common_one(name):
    config = get(name)
    assert (config.train.epochs, config.data.batch_size, config.optim.weight_decay) == (240, 64, 5e-4)
    assert (config.optim.momentum, config.optim.schedule.milestones) == (0.9, (150, 180, 210))
    assert config.optim.lr is None and config.optim.lr_override.to_dict() == dict.fromkeys(
        ("MobileNetV2", "ShuffleV1", "ShuffleV2"), 0.01)


@pytest.mark.parametrize(("number", "row"), enumerate(ITRD, 1))
def test_the_thirteen_itrd_experiments_have_their_alpha_and_rate(number, row):
    teacher, student, alpha, lr = row
    for config in (get("itrd", f"teacher={teacher},student={student}"), get("itrd", f"experiment={number}")):
        assert (config.teacher.name, config.student.name) == (teacher, student)
        assert config.method.itrd.to_dict() == {"corr_weight": 2.0, "mutual_weight": 1.0, "alpha": alpha}
        assert base_lr(config) == lr


def test_itrd_chooses_alpha_by_family_for_other_pairs():
    alpha = lambda t, s: get("itrd", f"teacher={t},student={s}").method.itrd.alpha
    assert alpha("resnet38x4", "resnet14") == 1.01 and alpha("wrn_28_10", "resnet20") == 1.5


def test_dkd_chooses_beta_by_pair():
    beta = lambda t, s: get("dkd", f"teacher={t},student={s}").method.dkd.beta
    assert [beta("resnet56", "resnet20"), beta("wrn_40_2", "wrn_16_2"), beta("resnet32x4", "ShuffleV2")] == [2, 6, 8]


def test_published_accuracies_in_the_docstrings_are_those_of_the_table(shared):
    config_of = lambda method: method.lower().removesuffix("+kd")
    with (shared / "spec" / "published_results.csv").open() as file:
        rows = [r for r in csv.DictReader(file) if config_of(r["method"]) in FILES]
    assert len(rows) > 250
    text = {name: (FOLDER / f"{name}.py").read_text() for name in FILES}
    for row in rows:
        lines = [x for x in text[config_of(row["method"])].splitlines() if row["teacher"] in x and row["student"] in x]
        assert float(row["student_acc"]) in map(float, re.findall(r"\d+\.\d+", " ".join(lines))), row


def test_the_vid_seeds_protocol():
    config = get("vid_cifar10")
    assert (config.teacher.name, config.student.name, config.data.dataset) == ("wrn_40_2", "wrn_16_1", "cifar10")
    assert (config.data.valid_size, config.data.padding, config.data.batch_size) == (10_000, "reflect", 128)
    assert (config.optim.lr, config.train.epochs, config.optim.schedule.decay) == (0.1, 200, 0.9)
    assert config.optim.schedule.milestones == (60, 120, 160)
    assert (config.loss.alpha, config.loss.beta, config.loss.kd_temperature) == (1.0, 0.1, 2.0)
    assert config.method.vid.regressor == "linear" and abs(config.method.vid.init_rho - 5.0067) < 1e-4
    assert get("vid_cifar10", "per_class=100").data.per_class == 100
    teacher = get("vid_cifar10", "model=wrn_40_2")
    assert (teacher.method.name, teacher.student.name, teacher.optim.lr) == ("vanilla", "wrn_40_2", 0.1)
    assert (teacher.loss.gamma, teacher.loss.alpha, teacher.loss.beta) == (1.0, 0.0, 0.0)


def test_teachers_are_found_by_name_by_data_set_by_path_and_several_at_once():
    at = lambda arg: (get("kd", arg).teacher.name, get("kd", arg).teacher.checkpoint)
    assert at("teacher=resnet56") == ("resnet56", "teachers/resnet56")
    assert at("teacher=resnet56,dataset=cifar10") == ("resnet56", "teachers/resnet56_cifar10")
    assert at("teacher=a/b.pth") == ("", "a/b.pth")
    assert at("teacher=resnet56+wrn_40_2") == ("resnet56,wrn_40_2", "teachers/resnet56,teachers/wrn_40_2")


@pytest.mark.parametrize(("arg", "says"), [
    ("techer=resnet56", "did you mean 'teacher'"), ("demo=1", "not understood"), ("teacher", "not understood"),
    ("seed=x", "needs a whole number"), ("teacher=", "needs a value"), ("experiment=14", "give 1 to 13")])
def test_wrong_arguments_are_one_clear_sentence(arg, says):
    with pytest.raises(UserError, match=says):
        get("itrd", arg)
