"""The configs of the methods of 2019 to 2025: values by pair as in spec/modern_methods.md section 6, and the numbers
published; and docs/methods.md, which lists every method."""
import csv
import importlib
import pathlib
import re

import pytest

from kdjax.errors import UserError
from kdjax.methods import METHODS
from kdjax.step.schedules import base_lr

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "methods.md").read_text()
CONFIG_OF = {"KD+LS": "lskd", "DKD+LS": "lskd", "MLKD+LS": "lskd", "CTKD+LS": "lskd", "CAT-KD": "cat_kd",
             "SD-KD": "sdd", "SD-DKD": "sdd", "SD-NKD": "sdd", "KD++": "kdpp", "DIST++": "kdpp", "DKD++": "kdpp",
             "ReviewKD++": "kdpp"}


def get(name, pair=None, more=""):
    arg = f"teacher={pair[0]},student={pair[1]}" if pair else ""
    return importlib.import_module(f"configs.{name}").get_config(",".join(filter(None, (arg, more))))


@pytest.mark.parametrize(("teacher", "student", "weight"), [
    ("wrn_40_2", "wrn_16_2", 5), ("resnet56", "resnet20", 0.6), ("resnet110", "resnet32", 1),
    ("ResNet50", "MobileNetV2", 7), ("resnet32x4", "ShuffleV2", 8)])
def test_reviewkds_weight_by_pair(teacher, student, weight):
    assert get("reviewkd", (teacher, student)).loss.beta == weight


@pytest.mark.parametrize(("teacher", "student", "values"), [
    ("wrn_40_2", "wrn_40_1", (1.5, 2, False)), ("resnet32x4", "resnet8x4", (15, 2, False)),
    ("ResNet50", "MobileNetV2", (40, 2, True)), ("resnet32x4", "ShuffleV1", (600, 4, True)),
    ("wrn_40_2", "ShuffleV1", (80, 4, True))])
def test_cat_kds_weight_resolution_and_normalisation_by_pair(teacher, student, values):
    config = get("cat_kd", (teacher, student))
    assert (config.loss.beta, config.method.cat_kd.resolution, config.method.cat_kd.normalize) == values


@pytest.mark.parametrize(("teacher", "student", "kd", "dkd"), [
    ("resnet56", "resnet20", (2, 9), (3, 18)), ("resnet110", "resnet20", (4, 12), (2, 15)),
    ("vgg13", "vgg8", (3, 9), (2, 15)), ("ResNet50", "MobileNetV2", (3, 1), (2, 15))])
def test_lskds_temperature_and_weight_by_pair(teacher, student, kd, dkd):
    config = get("lskd", (teacher, student))
    assert (config.method.lskd.temperature, config.loss.beta, config.loss.gamma) == (*kd, 0.1)
    config = get("lskd", (teacher, student), "base=dkd")
    assert config.method.name == "dkd" and config.method.dkd.standardize
    assert (config.method.dkd.temperature, config.loss.beta, config.loss.gamma) == (*dkd, 1.0)


def test_lskd_standardises_mlkd_and_ctkd_and_refuses_others():
    for base in ("mlkd", "ctkd"):
        config = get("lskd", None, f"base={base}")
        assert config.method.name == base and config.method[base].standardize
    assert (get("lskd", ("vgg13", "vgg8"), "base=mlkd").loss.beta, get("mlkd").loss.beta) == (6, 0.9)
    with pytest.raises(UserError, match="kd, dkd, mlkd, ctkd"):
        get("lskd", None, "base=at")


def test_mlkd_has_half_the_rate_and_longer_schedules_across_families():
    of = lambda *pair, more="": (base_lr(get("mlkd", pair, more)), get("mlkd", pair, more).train.epochs)
    assert of("resnet56", "resnet20") == (0.025, 240)
    assert of("vgg13", "vgg8") == (0.01, 240)
    assert of("wrn_40_2", "MobileNetV2") == (0.005, 480)
    assert of("resnet32x4", "ShuffleV2") == (0.01, 960)
    assert of("resnet56", "resnet20", more="ls") == (0.025, 480)
    assert get("mlkd").optim.schedule.milestones == (150, 180, 210)


@pytest.mark.parametrize(("teacher", "student", "weights", "lr"), [
    ("resnet56", "resnet20", (1, 2), 0.1), ("resnet32x4", "ShuffleV1", (2.5, 1.5), 0.02)])
def test_kdpps_weights_and_protocol(teacher, student, weights, lr):
    config = get("kdpp", (teacher, student))
    assert (config.method.kdpp.kd_weight, config.method.kdpp.nd_weight) == weights
    assert (base_lr(config), config.data.batch_size, config.optim.nesterov) == (lr, 128, True)


def test_sdds_grids_by_family_and_its_two_losses():
    of = lambda *pair: (get("sdd", pair).method.sdd.scales, get("sdd", pair).method.sdd.beta)
    assert of("resnet56", "resnet20") == ((1, 2), 2) and of("vgg13", "vgg8") == ((1, 2), 6)
    assert of("resnet32x4", "ShuffleV2") == ((1, 2, 4), 8) and of("vgg13", "MobileNetV2") == ((1, 2, 4), 6)
    config = get("sdd", None, "kd")
    assert (config.method.sdd.loss, config.method.sdd.warmup_epochs) == ("kd", 0)
    assert (config.loss.gamma, config.loss.beta) == (0.1, 0.9)


def test_ofd_runs_its_teacher_in_train_mode_as_released():
    assert get("ofd").teacher.batch_stats == "batch"


def test_wttm_adds_crd_at_the_weights_of_its_readme():
    config = get("wttm", None, "crd")
    assert (config.method.names, config.method.weights, config.loss.beta) == (("wttm", "crd"), (4.0, 0.8), 1.0)


def rows(shared):
    with (shared / "golden" / "modern" / "modern_results.csv").open() as file:
        return list(csv.DictReader(file))


def test_published_accuracies_stand_in_the_configs(shared):
    for row in rows(shared):
        text = (ROOT / "configs" / f"{CONFIG_OF.get(row['method'], row['method'].lower())}.py").read_text()
        lines = [x for x in text.splitlines() if row["teacher"] in x and row["student"] in x]
        assert float(row["student_acc"]) in map(float, re.findall(r"\d+\.\d+", " ".join(lines))), row


def test_the_page_lists_every_method_as_the_code_describes_it():
    listed = re.findall(r"^\| `(\w+)`", PAGE, re.MULTILINE)
    assert listed == list(METHODS)
    for name, method in METHODS.items():
        line = next(x for x in PAGE.splitlines() if x.startswith(f"| `{name}`"))
        assert method.paper in line and method.taps in line and str(method.year or "") in line


def test_the_page_gives_the_published_gains(shared):
    known = rows(shared)
    with (shared / "spec" / "published_results.csv").open() as file:
        known = [*csv.DictReader(file), *known]
    for name, label in {"kd": "KD", "crd": "CRD", "dist": "DIST", "kdpp": "KD++", "ttm": "TTM", "MLKD+LS": "MLKD+LS",
                        "SD-KD": "SD-KD"}.items():
        gains = sorted(float(r["student_acc"]) - float(r["student_vanilla_acc"]) for r in known if r["method"] == label)
        line = next(x for x in PAGE.splitlines() if x.startswith((f"| `{name}`", f"| {name} ")))
        assert f"{gains[0]:+.2f} .. {gains[-1]:+.2f} ({len(gains)})" in line
