"""The self-supervised configs: every experiment of the release's run script, the demos, what is refused."""
import importlib

import pytest

from kdjax.config.check import check
from kdjax.errors import UserError
from kdjax.step.pretext_schedules import Pretext, pretext_rate
from kdjax.step.schedules import learning_rate

KINDS = ("images", "speech", "tables")


def get(name, arg=None):
    return importlib.import_module(f"configs.ssl_{name}").get_config(arg)


def experiments():
    return [(kind, name) for kind in KINDS for name in importlib.import_module(f"configs.ssl_{kind}").KNOWN]


@pytest.mark.parametrize(("kind", "name"), experiments())
def test_every_experiment_of_the_run_script_is_a_valid_config(kind, name):
    config = get(kind, f"experiment={name}")
    check(config)
    assert config.program == "pretext" and config.ssl.ema == 0.999 and config.optim.weight_decay == 1e-4
    assert config.ssl.method != "moco" or config.ssl.imix == "none"
    assert (config.ssl.pred == "none") == (config.ssl.method != "byol")


def test_the_run_scripts_numbers():
    assert len(experiments()) == 12 + 4 + 4 + 6 + 2 + 6 + 4 + 6
    c = get("images", "experiment=cifar10_moco_imixup")
    assert (c.train.epochs, c.ssl.method, c.ssl.proj, c.ssl.temperature, c.student.name) == (
        4000, "mocon", "mlpbn1", 0.2, "imix_resnet50")
    c = get("images", "experiment=cifar100_npair_none")
    assert (c.train.epochs, c.ssl.proj, c.ssl.queue_size, c.data.batch_size) == (4000, "mlpbn", 4096, 256)
    c = get("images", "experiment=imagenet_moco_icutmix_10")
    assert (c.optim.lr, c.data.batch_size, c.ssl.queue_size, c.data.class_ratio, c.student.name, c.ssl.proj) == (
        0.03, 512, 65536, 0.1, "imix_resnet50_largestem", "mlp")
    c = get("images", "experiment=cifar10_moco_imixup_noaug")
    assert (c.train.epochs, c.ssl.augment, c.ssl.inputmix) == (1000, False, 2)
    c = get("speech", "experiment=speech_commands_byol_imixup")
    assert (c.ssl.temperature, c.optim.schedule.milestones, c.student.name, c.ssl.proj) == (
        0.5, (300, 400), "imix_resnet50_1ch", "mlpbn")
    c = get("tables", "experiment=covtype_npair_imixup")
    assert (c.ssl.temperature, c.ssl.input_drop, c.ssl.imix_alpha, c.data.batch_size, c.student.name) == (
        0.1, 0.2, 2.0, 512, "imix_mlp5_w64_split")


def test_dssrd_is_the_seeds_pair_and_takes_a_frozen_teacher():
    c = get("dssrd")
    assert (c.ssl.strong, c.student.name, c.train.epochs, c.ssl.imix) == (
        "imix_resnet34", "imix_resnet18", 2000, "imixup")
    c = get("dssrd", "teacher=runs/x/teacher")
    assert (c.teacher.checkpoint, c.ssl.strong) == ("runs/x/teacher", "")


def test_a_configs_learning_rate_is_the_releases():
    c = get("images", "epochs=20")
    steps, own = 20 * 195, Pretext(0.125, 256, 20, 195, warmup=5)
    for step in (0, 400, 975, 2000, 3899):
        assert float(learning_rate(c, steps)(step)) == pytest.approx(float(pretext_rate(own)(step)), rel=1e-6)


@pytest.mark.parametrize("name", ["images", "dssrd", "speech", "tables"])
def test_a_demo_needs_no_files(name):
    c = get(name, "demo")
    check(c)
    assert c.data.dataset in ("digits", "synthetic_words", "table_breast_cancer") and c.train.epochs <= 20


def test_an_unknown_experiment_is_refused():
    with pytest.raises(UserError, match="no experiment 'cifar_byol'"):
        get("images", "experiment=cifar_byol")
