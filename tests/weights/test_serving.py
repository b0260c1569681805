"""What is exported computes what the network computes, and says how it is served."""
import importlib.util
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import kdjax
from kdjax import models
from kdjax.errors import UserError
from kdjax.weights import folder, programs, serving

MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)


@pytest.fixture(scope="module")
def student(tmp_path_factory):
    """(folder, network, variables) of a network with statistics that matter."""
    net = models.build("wrn_10_1", num_classes=3, image_size=16)
    variables = net.init(jax.random.key(0))
    variables["batch_stats"] = jax.tree.map(lambda x: x + 0.1, variables["batch_stats"])
    path = tmp_path_factory.mktemp("serving") / "student"
    folder.save_network(path, net, variables, {"stats": (MEAN, STD), "classes": ["ant", "bee", "cat"]})
    return path, net, variables


def test_a_program_takes_raw_images_in_any_number_and_gives_the_networks_logits(student, tmp_path):
    path, net, variables = student
    done = kdjax.export(path, "stablehlo", tmp_path / "x.stablehlo", preprocess=True)
    assert done.difference < 1e-5
    images = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3), np.uint8)
    served = jax.export.deserialize(bytearray(done.path.read_bytes()))
    normalised = (images / 255 - np.array(MEAN)) / np.array(STD)
    want = net.apply(variables, jnp.asarray(normalised, jnp.float32))[0].logits
    np.testing.assert_allclose(served.call(images), want, rtol=1e-4, atol=1e-5)
    assert served.platforms == ("cpu", "cuda", "tpu")


def test_what_goes_in_and_comes_out_stands_beside_it(student, tmp_path):
    done = kdjax.export(student[0], "stablehlo", tmp_path / "x.stablehlo", preprocess=True)
    told = json.loads((tmp_path / "x.stablehlo.json").read_text())
    assert told["input"] == {"shape": ["N", 16, 16, 3], "dtype": "uint8", "layout": "NHWC", "channels": "RGB",
                             "range": "0 .. 255"}
    assert told["classes"] == ["ant", "bee", "cat"] and told["output"]["shape"] == ["N", 3]
    assert told["stats"] == [list(MEAN), list(STD)] and done.network.name == "wrn_10_1"


@pytest.mark.parametrize(("to", "name"), [("torch", "x.pth"), ("safetensors", "x.safetensors")])
def test_weights_come_back_as_the_same_network(student, tmp_path, to, name):
    done = kdjax.export(student[0], to, tmp_path / name)
    assert done.difference == 0 and sorted(path.name for path in tmp_path.iterdir()) == [name]


def test_a_file_that_computes_something_else_is_removed_and_said(student, tmp_path, monkeypatch):
    wrong = lambda path: lambda images: np.ones((len(images), 3), np.float32)
    monkeypatch.setitem(serving.PROGRAMS, "stablehlo", (lambda *_: b"program", wrong))
    with pytest.raises(UserError, match="computes other logits"):
        kdjax.export(student[0], "stablehlo", tmp_path / "x.stablehlo")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("options", "said"), [
    ({"to": "onxx"}, "choose from stablehlo"), ({"to": "torch", "preprocess": True}, "needs a program"),
    ({"stats": "cifar", "preprocess": True}, "is unknown")])
def test_a_mistake_is_one_sentence(student, tmp_path, options, said):
    with pytest.raises(UserError, match=said):
        kdjax.export(student[0], out=tmp_path / "x", **options)


def test_a_network_that_does_not_say_its_normalisation_asks_for_it(student, tmp_path):
    folder.save_network(tmp_path / "silent", *student[1:])
    with pytest.raises(UserError, match="add --stats"):
        kdjax.export(tmp_path / "silent", preprocess=True)


def test_a_student_that_is_not_deployed_alone_is_no_program(student, tmp_path):
    folder.save_network(tmp_path / "student", *student[1:], {"method": ["kd", "simkd"]})
    with pytest.raises(UserError, match="a student of simkd is deployed with parts"):
        kdjax.export(tmp_path / "student")
    assert kdjax.export(tmp_path / "student", "safetensors", tmp_path / "x.safetensors").difference == 0


def test_nothing_is_overwritten_unasked(student):
    taken = student[0].with_name("student.stablehlo")
    taken.touch()
    with pytest.raises(UserError, match="choose another place with --out"):
        kdjax.export(student[0])
    taken.unlink()


def test_onnx_is_written_or_says_what_is_missing(student, tmp_path, monkeypatch):
    if all(importlib.util.find_spec(name) for name in programs.ONNX):
        assert kdjax.export(student[0], "onnx", tmp_path / "x.onnx", preprocess=True).difference < 1e-4
    monkeypatch.setattr(programs, "ONNX", ("no_such_package",))
    with pytest.raises(UserError, match="needs no_such_package: pip install"):
        kdjax.export(student[0], "onnx", tmp_path / "y.onnx")


def test_the_command_prints_what_it_wrote(student, tmp_path, capsys):
    from kdjax import __main__ as command
    words = [str(student[0]), "--to", "safetensors", "--out", str(tmp_path / "x.safetensors")]
    assert command.main(["export", *words]) == 0
    said = capsys.readouterr().out
    assert "wrn_10_1, 3 classes, images of 16 pixels, as safetensors" in said and "logits differ by 0.0e+00" in said
