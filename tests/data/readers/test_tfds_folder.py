import json
import subprocess
import sys
import time

import numpy as np
import pytest

from kdjax.data import source as sources
from kdjax.data.readers import images, tfds_folder
from kdjax.errors import UserError


@pytest.mark.parametrize("file_format", ["array_record", "tfrecord"])
def test_a_prepared_folder_is_read_by_name(make_tfds, make_cfg, png, file_format):
    root = make_tfds(file_format=file_format)
    data = sources.load(make_cfg(dataset="shapes", dir=str(root)), 0)
    assert (data.name, data.num_classes, data.image_size) == ("shapes", 3, 8)
    np.testing.assert_array_equal(data.train.labels, [0, 1, 2, 0, 1, 2])
    rng = np.random.default_rng(len("test"))
    expected = [rng.integers(0, 256, (8, 8, 3), dtype=np.uint8) for _ in range(6)]
    np.testing.assert_array_equal(data.test.images, expected)


def test_validation_stands_in_for_a_missing_test_split(make_tfds, make_cfg):
    root = make_tfds(splits=("train", "validation"))
    assert len(sources.load(make_cfg(dataset="shapes", dir=str(root)), 0).test.labels) == 6


def test_the_newest_version_is_found_also_below_a_config(make_tfds, tmp_path):
    for version in ("1.0.0", "1.9.0", "1.10.0", "small/1.2.0"):
        make_tfds(version=version, count=1)
    root = tmp_path / "tfds"
    assert tfds_folder.find(root, "shapes").name == "1.10.0"
    assert tfds_folder.find(root, "shapes/small").name == "1.2.0"
    assert tfds_folder.find(root, "other") is None


def test_a_version_folder_can_be_named_by_its_path(make_tfds, make_cfg):
    path = make_tfds() / "shapes" / "1.0.0"
    assert sources.load(make_cfg(dataset=str(path)), 0).name == "shapes"


def test_the_second_read_comes_from_the_cache(make_tfds, make_cfg, monkeypatch):
    cfg = make_cfg(dataset="shapes", dir=str(make_tfds()))
    first = sources.load(cfg, 0)
    monkeypatch.setattr(tfds_folder, "read", None)
    np.testing.assert_array_equal(sources.load(cfg, 0).train.images, first.train.images)


def test_tensorflow_and_the_network_stay_out_of_it(make_tfds, tmp_path):
    root = make_tfds()
    code = f"""
import socket, sys, types
def refuse(*_, **__): raise AssertionError("network")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
from kdjax.data import source as sources
from kdjax.errors import UserError
cfg = types.SimpleNamespace(dataset="shapes", dir={str(root)!r}, download=False, stats="auto", image_size=None,
                            per_class=0, valid_size=0, cache_dir={str(tmp_path / "cache")!r})
assert len(sources.load(cfg, 0).train.labels) == 6
cfg.dataset = "cifar10"
try:
    sources.load(cfg, 0)
except UserError as error:
    assert "download=True" in str(error)
else:
    raise AssertionError("found")
assert "tensorflow" not in sys.modules
"""
    start = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - start < 30


def spoil(folder, name, change):
    content = json.loads((folder / name).read_text())
    change(content)
    (folder / name).write_text(json.dumps(content))


def test_damaged_folders_are_refused_with_one_sentence(make_tfds, make_cfg, tmp_path):
    def refused(name, damage, words):
        root = make_tfds(name=name)
        damage(root / name / "1.0.0", root / name / "1.0.0" / f"{name}-train.array_record-00000-of-00001")
        with pytest.raises(UserError, match=words) as caught:
            sources.load(make_cfg(dataset=name, dir=str(root)), 0)
        assert "\n" not in str(caught.value)

    refused("cut", lambda folder, train: train.write_bytes(train.read_bytes()[:70_000]), "prepare it again")
    refused("gone", lambda folder, train: train.unlink(), "prepare it again")
    refused("empty", lambda folder, train: train.write_bytes(b""), "prepare it again")
    noise = np.random.default_rng(0).bytes(131072)
    refused("noise", lambda folder, train: train.write_bytes(noise), "prepare it again")
    refused("info", lambda folder, train: (folder / "dataset_info.json").write_text("{"), "prepare it again")
    refused("feature", lambda folder, train: (folder / "features.json").write_text("{"), "features.json is damaged")
    refused("split", lambda folder, train: spoil(folder, "dataset_info.json", lambda info: info["splits"].pop()),
            "needs train and test")
    refused("more", lambda folder, train: spoil(
        folder, "dataset_info.json", lambda info: info["splits"][0].update(shardLengths=["9"])), "prepare it again")


def test_folders_without_labelled_images_are_refused(make_tfds, make_cfg):
    root = make_tfds(label_class="scalar.Scalar")
    with pytest.raises(UserError, match="shapes"):
        sources.load(make_cfg(dataset="shapes", dir=str(root)), 0)


def test_records_that_are_no_images_or_bombs_are_refused(make_tfds, make_cfg, png, monkeypatch):
    with pytest.raises(UserError, match=r"train image 0\) is text, not a whole"):
        sources.load(make_cfg(dataset="text", dir=str(make_tfds(name="text", image=b"no image"))), 0)
    root = make_tfds(name="bomb", image=png(np.zeros((400, 400, 3), np.uint8)))
    monkeypatch.setattr(images, "MAX_PIXELS", 100_000)
    with pytest.raises(UserError, match="decompression bomb"):
        sources.load(make_cfg(dataset="bomb", dir=str(root)), 0)


@pytest.mark.parametrize("keep", [5, 12, 30])
def test_a_truncated_tfrecord_is_refused(make_tfds, make_cfg, keep):
    root = make_tfds(file_format="tfrecord")
    train = next(root.glob("*/*/*train*"))
    train.write_bytes(train.read_bytes()[:keep])
    with pytest.raises(UserError, match="prepare it again"):
        sources.load(make_cfg(dataset="shapes", dir=str(root)), 0)
