"""The deviation of a teacher's probabilities under mixing: its definition, its command, its refusals."""
import json

import jax
import numpy as np
import pytest

from kdjax import deviation as command
from kdjax import models
from kdjax.errors import UserError
from kdjax.run import deviation
from kdjax.weights.folder import save_network


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    path = tmp_path_factory.mktemp("teacher") / "net"
    net = models.build("resnet8", num_classes=10, image_size=8)
    save_network(path, net, net.init(jax.random.key(0)))
    return path


def test_it_is_the_mean_over_classes_of_the_deviation_over_means_of_five_steps():
    means, entropies = np.random.default_rng(0).random((12, 4)), np.arange(12.0)
    got = deviation.spread(means, entropies)
    a, b = means[:5].mean(0), means[5:10].mean(0)
    assert got["deviation"] == pytest.approx(np.mean(np.abs(a - b) / np.sqrt(2)))
    assert (got["vectors"], got["entropy"]) == (2, 4.5)


def test_a_deviation_of_a_single_vector_is_refused():
    with pytest.raises(UserError, match="9 steps are too few"):
        deviation.spread(np.ones((9, 4)), np.ones(9))


def arguments(teacher, mode, *more):
    return ["--config", f"configs/ds_srd_aug.py:mix={mode},kd,demo", f"--config.teacher.checkpoint={teacher}",
            "--config.data.per_class=16", "--config.data.batch_size=16", "--config.data.image_size=8", *more]


def test_the_command_tells_modes_apart_and_mixing_nothing_changes_nothing(teacher, capsys):
    found = {}
    for mode, more in {"identity": [], "none": ["--config.mix.mode="], "cutmix_pick_teacher": []}.items():
        first = "identity" if mode == "none" else mode
        assert command.main([*arguments(teacher, first, *more), "--epochs=1"]) == 0
        found[mode] = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert {name: figures["mode"] for name, figures in found.items()} == {
        "identity": "identity", "none": "none", "cutmix_pick_teacher": "cutmix_pick"}
    assert found["identity"]["deviation"] == pytest.approx(found["none"]["deviation"], rel=1e-6)
    assert found["cutmix_pick_teacher"]["entropy"] > found["identity"]["entropy"]  # what it picks by
    assert found["identity"]["vectors"] == 2


@pytest.mark.parametrize(("mode", "more", "says"), [
    ("cutmix_pick_student", [], "looks at a student, and here is none"),
    ("manifold_mixup", [], "mixes inside the student"), ("cutmix", ["--epochs=none"], "is no number of epochs")])
def test_what_is_not_the_teachers_alone_is_refused(mode, more, says, teacher):
    with pytest.raises(UserError, match=says):
        command.main(arguments(teacher, mode, *more))
