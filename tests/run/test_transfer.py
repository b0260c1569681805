"""`python -m kdjax.transfer` on what kdjax's own pretext runs leave: the network asked for, or one sentence."""
import json

import jax
import numpy as np
import pytest

from kdjax import models, transfer
from kdjax.errors import UserError
from kdjax.weights.folder import load_network, save_network, save_torch

NETS = {"student": "imix_basic_1_1_1_1_w4_features", "strong": "imix_basic_1_1_1_1_w8_mlpbn1",
        "teacher": "imix_basic_1_1_1_1_w8_mlpbn1"}
HEAD = "fc"


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The networks of a finished DS-SRD run: weak student, strong one, its average."""
    folder = tmp_path_factory.mktemp("runs") / "dssrd"
    for n, (name, network) in enumerate(NETS.items()):
        net = models.build(network, num_classes=16, image_size=8)
        variables = net.init(jax.random.key(n))
        save_network(folder / name, net, variables)
        save_torch(folder / f"{name}.pth", net, variables)
    return folder


def command(place, checkpoint, *more) -> list[str]:
    return [str(checkpoint), "--dataset", "digits", "--workdir", str(place / "probe"), "--epochs", "1", "-b", "32",
            "--config.data.per_class=8", "--config.data.eval_batch_size=120", "--config.data.image_size=8",
            "--config.data.flip=False", "--config.log.tensorboard=False", "--config.log.plots=False", *more]


@pytest.mark.parametrize(("words", "folder"), [
    pytest.param(words, folder, marks=[] if folder == "teacher" else pytest.mark.slow) for words, folder in (
        ((), "student"), (("--network", "weak"), "student"), (("--network", "strong"), "strong"),
        (("--network", "teacher"), "teacher"))])
def test_the_probe_is_of_the_network_asked_for_and_only_its_classifier_moves(finished, tmp_path, words, folder):
    assert transfer.main(command(tmp_path, finished, *words)) == 0
    (_, want, _), (net, got, _) = load_network(finished / folder), load_network(tmp_path / "probe" / "student")
    assert net.num_classes == 10 and got["params"][HEAD]["kernel"].shape[1] == 10
    for part in ("params", "batch_stats"):
        body = {child: leaves for child, leaves in got[part].items() if child != HEAD}
        assert body and jax.tree.all(jax.tree.map(np.array_equal, body, {child: want[part][child] for child in body}))
    assert json.loads((tmp_path / "probe" / "result.json").read_text())["last"]["epoch"] == 1


def refused(place, argv) -> str:
    """The sentence of a refusal, which leaves nothing behind."""
    with pytest.raises(UserError) as error:
        transfer.main(argv)
    assert not (place / "probe").exists() and "\n" not in str(error.value)
    return str(error.value)


def test_a_checkpoint_that_is_not_there_is_said(tmp_path):
    assert "no checkpoint at" in refused(tmp_path, command(tmp_path, tmp_path / "gone"))
    assert "no checkpoint at" in refused(tmp_path, command(tmp_path, tmp_path / "gone.pth", "--network", "weak"))
    flags = command(tmp_path, "")[1:]
    assert "needs a trained network" in refused(tmp_path, flags)


def test_a_network_that_the_run_does_not_have_is_said(finished, tmp_path):
    alone = tmp_path / "alone"
    (alone / "student").parent.mkdir()
    save_network(alone / "student", *load_network(finished / "student")[:2])
    save_network(alone / "teacher", *load_network(finished / "teacher")[:2])
    said = refused(tmp_path, command(tmp_path, alone, "--network", "weak"))
    assert "has no weak network" in said and "student, teacher" in said
    assert "is no network" in refused(tmp_path, command(tmp_path, finished, "--network", "big"))


def test_one_network_alone_is_not_taken_for_another(finished, tmp_path):
    for path in (finished / "strong", finished / "strong.pth"):
        assert "weak" in refused(tmp_path, command(tmp_path, path, "--network", "weak"))


def test_a_run_that_is_not_finished_is_said(tmp_path):
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    for words in ((), ("--network", "weak")):
        assert "finished" in refused(tmp_path, command(tmp_path, tmp_path / "run", *words))


def test_images_of_another_size_than_the_networks_are_said(finished, tmp_path):
    said = refused(tmp_path, command(tmp_path, finished, "--config.data.image_size=16"))
    assert "takes inputs of shape (8, 8, 3), digits has (16, 16, 3)" in said


def test_the_checkpoints_architecture_is_taken_with_a_note_where_another_is_named(finished, tmp_path):
    with pytest.warns(UserWarning, match="imix_basic_1_1_1_1_w8_mlpbn1, which is taken, although imix_resnet18"):
        refused(tmp_path, command(tmp_path, finished / "strong.pth", "-a", "resnet18"))  # for its size


def test_weights_that_do_not_fit_the_network_are_said(finished, tmp_path):
    broken = tmp_path / "broken"
    net, variables, _ = load_network(finished / "strong")
    save_network(broken, net, variables)
    description = json.loads((broken / "network.json").read_text()) | {"name": "imix_basic_1_1_1_1_w8_mlp"}
    (broken / "network.json").write_text(json.dumps(description))
    assert "broken" in refused(tmp_path, command(tmp_path, broken))


def test_an_original_checkpoint_without_the_network_says_which_it_has(shared, tmp_path):
    path = shared / "golden" / "checkpoints" / "imix_moco_tiny" / "checkpoint.pth"
    said = refused(tmp_path, command(tmp_path, path, "--network", "weak"))
    assert "choose --network strong or --network teacher" in said
