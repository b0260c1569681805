"""A prepared TFDS folder names classes and files; none of them is imported, none lies outside of the folder."""
import json
import subprocess
import sys

import numpy as np
import pytest

from kdjax.data import source as sources
from kdjax.errors import UserError
from tests.data.conftest import make_cfg, make_tfds, png  # noqa: F401 (fixtures)

BASE = "tensorflow_datasets.core.features."
IMAGE, LABEL = f"{BASE}image_feature.Image", f"{BASE}class_label_feature.ClassLabel"
DICT = f"{BASE}features_dict.FeaturesDict"
SHAPE = {"dimensions": ["8", "8", "3"]}


def newer(spelling, snake=False):
    """A feature in the form of TFDS's protobuf, whose JSON has two spellings of every field."""
    word = lambda camel: "".join("_" + c.lower() if c.isupper() else c for c in camel) if snake else camel
    return lambda name, field=None, content=None: {spelling: name, **({word(field): content} if field else {})}


def older(name, field=None, content=None):
    return {"type": name, "content": {} if content is None else content}


def features(feature, **extra):
    classes = {"numClasses": "3"} if feature is not older else {"num_classes": 3}
    inner = {"image": feature(IMAGE, "image", {"dtype": "uint8", "shape": SHAPE}),
             "label": feature(LABEL, "classLabel", classes), **extra}
    return feature(DICT, "featuresDict", inner if feature is older else {"features": inner})


FORMS = {"camel": newer("pythonClassName"), "snake": newer("python_class_name", True), "older": older}


@pytest.fixture
def load(make_tfds, make_cfg):  # noqa: F811
    """Reads a prepared folder after its two JSON files were changed."""
    def read(features=None, **info):
        folder = make_tfds() / "shapes" / "1.0.0"
        if features is not None:
            (folder / "features.json").write_text(json.dumps(features))
        told = json.loads((folder / "dataset_info.json").read_text())
        (folder / "dataset_info.json").write_text(json.dumps({**told, **info}))
        return sources.load(make_cfg(dataset=str(folder)), 0)
    return read


@pytest.mark.parametrize("form", FORMS)
def test_the_features_of_tfds_itself_are_read_in_every_form(load, form):
    data = load(features(FORMS[form]))
    assert data.num_classes == 3 and len(data.train.labels) == 6


def test_features_as_json_inside_json_are_read(load):
    inner = {"features": {"image": {"pythonClassName": IMAGE, "image": {}},
                          "label": {"pythonClassName": LABEL, "classLabel": {"numClasses": "3"}}}}
    told = {"type": DICT, "proto_cls": "tensorflow_datasets.FeaturesDict", "content": json.dumps(inner)}
    assert load(told).num_classes == 3


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("where", ["label", "beside", "nested", "outermost"])
def test_no_feature_class_of_a_stranger_is_imported(load, extra, form, where):
    module, ran = extra
    feature, foreign = FORMS[form], f"{module}.Feature"
    told = features(feature)
    if where == "label":
        told = json.loads(json.dumps(told).replace(LABEL, foreign))
    elif where == "outermost":
        told = json.loads(json.dumps(told).replace(DICT, foreign))
    elif where == "beside":
        told = features(feature, more=feature(foreign, "jsonFeature", {"json": "{}"}))
    else:
        told = features(feature, more=feature(f"{BASE}sequence_feature.Sequence", "sequence",
                                              {"feature": feature(foreign)}))
    if where == "label":
        with pytest.raises(UserError, match=foreign):
            load(told)
    else:
        assert load(told).num_classes == 3  # what is not needed does not matter
    assert not ran() and module not in sys.modules


def test_no_builder_of_a_stranger_is_imported(load, extra):
    module, ran = extra
    data = load(moduleName=module, module_name=module, configName=module, builder=f"{module}.Net")
    assert len(data.train.labels) == 6 and not ran()


def test_tfds_is_not_imported_at_all(make_tfds, tmp_path):  # noqa: F811
    code = f"""
import sys
from kdjax.data.readers import tfds_folder
import pathlib
assert len(tfds_folder.read(pathlib.Path({str(make_tfds() / "shapes" / "1.0.0")!r})).train.labels) == 6
assert not [name for name in sys.modules if name.startswith("tensorflow")]
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("template", ["../{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}", "/etc/passwd", "a/../../b",
                                      "..\\b"])
def test_no_file_outside_of_the_folder_is_opened(load, template):
    splits = [{"name": name, "shardLengths": ["6"], "filepathTemplate": template} for name in ("train", "test")]
    with pytest.raises(UserError, match="outside of its folder"):
        load(splits=splits)


@pytest.mark.parametrize("template", ["{DATASET.__class__}", "{SPLIT!r}", "{0}", "{UNKNOWN}", 7])
def test_a_template_is_no_format_string(load, template):
    splits = [{"name": name, "shardLengths": ["6"], "filepathTemplate": template} for name in ("train", "test")]
    with pytest.raises(UserError, match="prepare it again"):
        load(splits=splits)


@pytest.mark.parametrize("change", [
    {"splits": None}, {"splits": [7]}, {"splits": [{"name": "train"}]}, {"name": ["x"]}, {"name": "../x"},
    {"splits": [{"name": "train", "shardLengths": ["1" * 30]}, {"name": "test", "shardLengths": ["6"]}]},
    {"splits": [{"name": "train", "shardLengths": ["-6"]}, {"name": "test", "shardLengths": ["6"]}]},
    {"fileFormat": "parquet"}, {"fileFormat": ["x"]}])
def test_metadata_of_another_shape_is_one_sentence(load, change):
    with pytest.raises(UserError, match="prepare it|needs") as caught:
        load(**change)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("told", [7, [], {}, {"featuresDict": 3}, "[" * 9, {"type": DICT, "content": "[" * 100_000}])
def test_features_of_another_shape_are_one_sentence(load, told):
    with pytest.raises(UserError, match="prepare it again|no image classification"):
        load(told)


def test_images_that_are_no_bytes_of_eight_or_sixteen_bits_are_refused_by_name(load):
    told = features(FORMS["camel"])
    told["featuresDict"]["features"]["image"]["image"]["dtype"] = "float32"
    with pytest.raises(UserError, match="image holds float32"):
        load(told)


def test_the_labels_and_images_are_those_of_the_records(load, png):  # noqa: F811
    rng = np.random.default_rng(len("test"))
    expected = [rng.integers(0, 256, (8, 8, 3), dtype=np.uint8) for _ in range(6)]
    np.testing.assert_array_equal(load(features(older)).test.images, expected)
