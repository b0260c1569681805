"""Mean and std: in every spelling, kept beside a network, and compared between teacher and data."""
import json
import warnings

import jax
import numpy as np
import pytest

from kdjax import config, evaluate, models
from kdjax.config.check import check
from kdjax.config.override import override
from kdjax.config.parse import parse
from kdjax.data import stats
from kdjax.data.types import Dataset, Split
from kdjax.errors import UserError
from kdjax.methods import canonical
from kdjax.run import normalising, teachers
from kdjax.weights import convert
from kdjax.weights import folder as export
from tests.weights.torch_files import containers, save

SIX = ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
DIGITS = stats.STATS["digits"]


@pytest.mark.parametrize("text", [
    "0.1,0.2,0.3,0.4,0.5,0.6", "(0.1, 0.2, 0.3, 0.4, 0.5, 0.6)", "((0.1,0.2,0.3),(0.4,0.5,0.6))",
    "[[.1,.2,.3],[.4,.5,.6]]", "0.1 0.2 0.3 0.4 0.5 0.6", "(0.1,0.2,0.3),(0.4,0.5,0.6)", "1e-1,2e-1,3e-1,0.4,0.5,0.6"])
def test_six_numbers_are_understood_in_every_spelling(text):
    fields = config.default()
    override(fields, "data.stats", text)
    assert stats.given(fields.data.stats) == SIX
    found = parse(["--config=configs/vanilla.py:demo", f"--config.data.stats={text}"], canonical)
    assert stats.given(found.data.stats) == SIX and json.loads(found.to_json())["data"]["stats"] == text


@pytest.mark.parametrize("value", [SIX, [list(part) for part in SIX], sum(SIX, ()), np.array(SIX), list(sum(SIX, ()))])
def test_six_numbers_of_a_config_file_are_understood(value):
    fields = config.default()
    fields.data.stats = value
    check(fields)
    assert stats.given(fields.data.stats) == SIX


@pytest.mark.parametrize(("wanted", "words"), [
    ("0.1,0.2,0.3", "six numbers"), ("0.1,0.2,0.3,0.4,0.5,0", "positive"), (7, "six"),
    ("125.3,123,113.9,63,62.1,66.7", "divide them by 255"), ("0.1,0.2,x,0.4,0.5,0.6", "six numbers"),
    ("cifar11", "cifar10_per_image_std"), ("nan,0,0,1,1,1", "six numbers")])
def test_other_numbers_are_refused_with_an_example(wanted, words):
    with pytest.raises(UserError, match=words):
        stats.given(wanted)


def test_the_std_of_many_public_cifar10_models_has_a_name():
    assert stats.given("cifar10_per_image_std")[1] == (0.2023, 0.1994, 0.2010)


@pytest.fixture
def network(tmp_path):
    """Writes a folder of a network, with a pair in its description or without."""
    def write(pair=None, name="net"):
        net = models.build("resnet8", num_classes=10, image_size=16)
        metadata = {"stats": pair} if pair else {}
        export.save_network(tmp_path / name, net, net.init(jax.random.key(0)), metadata)
        return str(tmp_path / name)
    return write


def data(pair):
    split = Split(np.zeros((2, 8, 8, 3), np.uint8), np.arange(2, dtype=np.int32))
    return Dataset("things", split, split, None, 2, 8, *pair)


def said(function, *arguments):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        function(*arguments)
    return [str(warning.message) for warning in caught]


def test_a_pair_is_kept_beside_a_network_and_read_back(network):
    assert export.recorded_stats(network(SIX)) == SIX
    for bad in (None, SIX[0], ((1, 2, 3), (0, 1, 1)), (("a", "b", "c"), SIX[1]), ((1e999, 0, 0), SIX[1])):
        assert export.recorded_stats(network(bad, "bad")) is None


def test_the_converter_keeps_the_pair_that_it_is_told(tmp_path):
    source = save(tmp_path / "x.pth", containers()["rep_regular"])
    assert convert.to_folder(str(source), str(tmp_path / "out"), SIX) == 0
    assert export.recorded_stats(tmp_path / "out") == SIX


def asked(path="", wanted="auto"):
    fields = config.default()
    fields.teacher.checkpoint, fields.data.stats = path, wanted
    return fields


def test_a_teacher_that_was_normalised_otherwise_is_warned_of(network):
    path = network(SIX)
    warned = said(normalising.check_teachers, asked(path), data(DIGITS), [path])
    assert len(warned) == 1 and "0.1,0.2,0.3,0.4,0.5,0.6" in warned[0] and "config.data.stats=teacher" in warned[0]
    rounded = tuple(tuple(number + 4e-4 for number in part) for part in SIX)
    assert said(normalising.check_teachers, asked(path), data(rounded), [path]) == []


def test_measured_numbers_are_warned_of_where_the_teacher_says_nothing(network):
    path, measured = network(), data(SIX)
    assert "measured on its own images" in said(normalising.check_teachers, asked(path), measured, [path])[0]
    assert said(normalising.check_teachers, asked(path), data(DIGITS), [path]) == []
    assert said(normalising.check_teachers, asked(path, sum(SIX, ())), measured, [path]) == []


def test_the_teacher_s_own_numbers_can_be_asked_for(network):
    assert normalising.data_fields(asked(network(SIX), "teacher")).stats == SIX
    assert normalising.data_fields(asked("x", "auto")).stats == "auto"
    for path in ("", network()):
        with pytest.raises(UserError, match="needs a teacher|does not say"):
            normalising.data_fields(asked(path, "teacher"))


@pytest.fixture
def things(tmp_path):
    """A data set of 16 pixels and ten classes."""
    images = np.random.default_rng(0).integers(0, 256, (20, 16, 16, 3), dtype=np.uint8)
    np.savez(tmp_path / "things.npz", train_images=images, test_images=images, train_labels=np.arange(20) % 10,
             test_labels=np.arange(20) % 10)
    return str(tmp_path / "things.npz")


def test_evaluate_takes_numbers_and_the_network_s_own_and_warns(network, things, capsys):
    seen, warned = {}, {}
    for wanted in ("auto", "network", "0.1,0.2,0.3,0.4,0.5,0.6"):
        words = [network(SIX), f"--dataset={things}", f"--stats={wanted}", "--json"]
        warned[wanted] = said(evaluate.main, words)
        seen[wanted] = json.loads(capsys.readouterr().out)["loss"]
    assert seen["network"] == seen["0.1,0.2,0.3,0.4,0.5,0.6"] != seen["auto"]
    assert "--stats=network" in warned["auto"][0] and warned["network"] == []


def test_a_checkpoint_that_is_given_wins_over_the_name_that_a_config_supposes(network):
    words = ["--config=configs/kd.py", f"--config.teacher.checkpoint={network()}", "--config.data.dataset=digits"]
    found = parse(words, canonical)
    assert teachers.wanted(found) == [(network(), "")]
    teachers.check_early(found)
    for typed in (["--config.teacher.name=resnet14"], []):
        spec = [] if typed else ["--config=configs/kd.py:teacher=resnet14"]
        found = parse([*(spec or words[:1]), *words[1:], *typed], canonical)
        with pytest.raises(UserError, match="holds a resnet8, not the resnet14"):
            teachers.check_early(found)
