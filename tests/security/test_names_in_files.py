"""A file's word imports no code: a name with a colon counts only when the user typed it."""
import json
import shutil
import time
import types

import jax
import pytest
import torch

from kdjax import config, evaluate, models, weights
from kdjax.errors import UserError
from kdjax.run import checkup, teachers
from kdjax.tables import agreement
from kdjax.weights import convert
from kdjax.weights import folder as export
from tests.weights.torch_files import save

SENTENCE = "a file's word imports no code"


def settings(**teacher):
    fields = config.default()
    fields.method.name = "kd"
    fields.teacher.update(teacher)
    return fields


# Every way in which kdjax opens a folder of weights.
READERS = {
    "kdjax.evaluate": lambda path: evaluate.main([str(path), "--dataset=digits"]),
    "kdjax.evaluate with another name": lambda path: evaluate.main([str(path), "--dataset=digits", "--model=resnet8"]),
    "config.teacher.checkpoint": lambda path: teachers.check_early(settings(checkpoint=str(path))),
    "a second teacher": lambda path: teachers.read(str(path), "resnet8"),
    "config.student.checkpoint": lambda path: teachers.warm_start(
        models.build("resnet8", num_classes=10, image_size=16), str(path)),
    "--to-torch": lambda path: convert.to_file(str(path), None, torch=True, name=None),
    "--to-safetensors": lambda path: convert.to_file(str(path), None, torch=False, name="other_code:Net"),
    "models.load": models.load,
    "a run's folder": lambda path: models.load(as_run(path)),
}


def as_run(path):
    """The same files where a run has its student."""
    shutil.copytree(path, path.with_name("run") / "student")
    return path.with_name("run")


@pytest.mark.parametrize("how", READERS)
def test_a_folder_that_names_code_is_refused_and_nothing_is_imported(how, stranger, extra):
    module, ran = extra
    path = stranger(f"{module}:Net")
    with pytest.raises(UserError, match=SENTENCE) as caught:
        READERS[how](path)
    assert not ran()
    assert f"{module}:Net" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["strange_code:Net:", ":strange_code", "strange_code:Net\n\x1b[2J", "os:system"])
def test_no_spelling_of_a_name_with_a_colon_is_imported(name, stranger, extra):
    _, ran = extra
    with pytest.raises(UserError) as caught:
        models.load(stranger(name))
    assert not ran() and str(caught.value).isprintable()


@pytest.mark.parametrize("name", [["strange_code:Net"], {"strange_code:Net": 1}, None, 7, True])
def test_a_name_that_is_no_text_is_damage(name, stranger):
    with pytest.raises(UserError, match="damaged"):
        models.load(stranger(name))


@pytest.mark.parametrize("change", [
    {"num_classes": 10**9}, {"num_classes": 10**30}, {"num_classes": "10"}, {"num_classes": -1}, {"num_classes": True},
    {"image_size": 10**9}, {"image_size": 2}, {"image_size": 1e9}, {"name": "resnet99999998"},
    {"name": "wrn_10_9999999"}, {"name": "wrn_9999994_1"}, {"num_classes": [10]}, {"metadata": None}])
def test_numbers_that_no_network_has_are_one_sentence_at_once(change, stranger):
    path = stranger("resnet8")
    said = json.loads((path / export.DESCRIPTION).read_text())
    (path / export.DESCRIPTION).write_text(json.dumps({**said, **change}))
    began = time.monotonic()
    if change == {"metadata": None}:
        assert export.recorded_stats(path) is None
    else:
        with pytest.raises(UserError) as caught:
            models.load(path)
        assert "\n" not in str(caught.value) and time.monotonic() - began < 5


def test_a_json_file_that_nests_without_end_is_damage(stranger):
    path = stranger("resnet8")
    (path / export.DESCRIPTION).write_text("[" * 100_000)
    with pytest.raises(UserError, match="damaged"):
        models.load(path)


def test_doctor_does_not_import_what_lies_in_teachers(stranger, extra):
    module, ran = extra
    stranger(f"{module}:Net", "teachers/wrn")
    findings = list(checkup.teachers(config.default()))
    assert not ran() and [f.good for f in findings] == [False] and SENTENCE in findings[0].text


def test_a_run_s_own_config_names_no_code_to_whoever_measures_it(tmp_path, extra):
    """config.json is a file like any other: its teacher.name is nobody's typed word."""
    module, ran = extra
    save(tmp_path / "x.pth", {"model": {"conv.weight": torch.zeros(4, 3, 3, 3), "fc.weight": torch.zeros(10, 4)}})
    for name in (f"{module}:Net", [f"{module}:Net"], 7, ""):
        record = types.SimpleNamespace(fields={"teacher.name": name})
        with pytest.raises(UserError, match="no network"):
            weights.load(tmp_path / "x.pth", name=agreement.teacher_name(record, tmp_path / "x.pth"))
    assert not ran()
    record = types.SimpleNamespace(fields={"teacher.name": "resnet8"})
    assert agreement.teacher_name(record, tmp_path / "x.pth") == "resnet8"


def test_the_converter_does_not_build_what_lies_where_it_would_write(stranger, extra):
    module, ran = extra
    with pytest.raises(UserError, match="already holds another network"):
        convert._refuse_another(stranger(f"{module}:Net"), {"source_sha256": "0"})
    assert not ran()


@pytest.fixture
def own(tmp_path, extra):
    """The user's own network, as the user's own run exports it."""
    name = f"{extra[0]}:Net"
    net = models.build(name, num_classes=10, image_size=16)
    export.save_network(tmp_path / "own", net, net.init(jax.random.key(0)))
    return tmp_path / "own", name


def test_a_user_s_own_network_is_loaded_when_the_user_gives_its_name(own):
    path, name = own
    assert models.load(path, name=name)[0].name == name
    assert teachers.read(str(path), name)[0].name == name
    both = settings(checkpoint=f"{path},{path}", name=f"{name},{name}")
    assert teachers.load(both, Digits)[0]["teacher2"].name == name
    teachers.warm_start(models.build(name, num_classes=10, image_size=16), str(path))
    assert convert.to_file(str(path), str(path) + ".safetensors", torch=False, name=name) == 0


def test_the_sentence_says_where_the_name_can_be_given(own):
    with pytest.raises(UserError, match="--model, config.teacher.name or config.student.name"):
        models.load(own[0])


class Digits:
    num_classes, name = 10, "digits"
