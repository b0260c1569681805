import json

import numpy as np
import pytest
from PIL import Image

from kdjax.data import source, stats
from kdjax.data.readers import stl10
from kdjax.errors import UserError


@pytest.fixture
def binary(tmp_path):
    """Three training and two test images as STL-10 writes them; (folder, training images NHWC)."""
    folder = tmp_path / "stl10_binary"
    folder.mkdir()
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (3, 96, 96, 3), dtype=np.uint8)
    for name, own, labels in (("train", images, [1, 10, 3]), ("test", images[:2], [2, 1])):
        planes = own.transpose(0, 3, 2, 1)  # channel, column, row
        (folder / f"{name}_X.bin").write_bytes(np.ascontiguousarray(planes).tobytes())
        (folder / f"{name}_y.bin").write_bytes(bytes(labels))
    return folder, images


def test_images_are_upright_and_labels_count_from_zero(binary, make_cfg, tmp_path):
    folder, images = binary
    data = source.load(make_cfg(dataset="stl10", dir=str(tmp_path), allow_empty_classes=True), 0)
    np.testing.assert_array_equal(data.train.images, images)
    np.testing.assert_array_equal(data.train.labels, [0, 9, 2])
    assert (data.name, data.num_classes, data.image_size) == ("stl10", 10, 96)
    assert (data.mean, data.std) == stats.STATS["stl10"]


def test_the_folder_may_be_given_by_its_path_and_images_resized_as_pillow_does(binary, make_cfg):
    folder, images = binary
    data = source.load(make_cfg(dataset=str(folder), image_size=32, allow_empty_classes=True), 0)
    want = Image.fromarray(images[0]).resize((32, 32), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(data.train.images[0], np.asarray(want))


def test_the_packed_archive_is_read_without_unpacking(binary, make_cfg, pack, tmp_path):
    folder, images = binary
    members = {f"stl10_binary/{file}": (folder / file).read_bytes() for file in stl10.FILES}
    pack({**members, "stl10_binary/unlabeled_X.bin": bytes(27648)}, tmp_path / "data.tar.gz")
    (tmp_path / "packed").mkdir()
    (tmp_path / "data.tar.gz").rename(tmp_path / "packed" / stl10.ARCHIVE)
    data = source.load(make_cfg(dataset="stl10", dir=str(tmp_path / "packed"), allow_empty_classes=True), 0)
    np.testing.assert_array_equal(data.train.images, images)
    assert [path.name for path in (tmp_path / "packed").iterdir()] == [stl10.ARCHIVE]


@pytest.mark.parametrize(("file", "content", "says"), [
    ("train_X.bin", bytes(100), "bytes for 3 labels"), ("train_y.bin", bytes([0, 1, 2]), "labels 0 .. 2"),
    ("test_y.bin", bytes([1, 11]), "labels 1 .. 11"), ("test_X.bin", b"", "bytes for 2 labels")])
def test_damage_is_one_sentence(binary, make_cfg, file, content, says):
    (binary[0] / file).write_bytes(content)
    with pytest.raises(UserError, match=says):
        source.load(make_cfg(dataset=str(binary[0]), allow_empty_classes=True), 0)


def test_without_the_data_the_message_says_how_to_get_it(make_cfg, tmp_path):
    with pytest.raises(UserError, match="stl10_binary.tar.gz.*data.download=True"):
        source.load(make_cfg(dataset="stl10", dir=str(tmp_path), allow_empty_classes=True), 0)


def test_the_originals_bytes_give_the_originals_pixels(shared, tmp_path, make_cfg):
    with np.load(shared / "golden/transfer/preprocess.npz", allow_pickle=False) as golden:
        for name in ("train", "test"):
            (tmp_path / f"{name}_X.bin").write_bytes(golden["stl.X_bin"].tobytes())
            (tmp_path / f"{name}_y.bin").write_bytes(golden["stl.y_bin"].tobytes())
        data = source.load(make_cfg(dataset=str(tmp_path), allow_empty_classes=True), 0)
        np.testing.assert_array_equal(data.train.labels, golden["stl.labels"])
        np.testing.assert_array_equal(data.train.images[:1], golden["stl.image0_nhwc"])
        small = source.load(make_cfg(dataset=str(tmp_path), image_size=32, allow_empty_classes=True), 0)
        np.testing.assert_array_equal(small.train.images, golden["stl.resized"])
        assert json.loads(str(golden["meta"]))


def test_the_stand_in_reads(shared, make_cfg):
    data = source.load(make_cfg(dataset="stl10", dir=str(shared / "data/stl10_standin")), 0)
    assert (len(data.train.labels), len(data.test.labels)) == (200, 100)
    assert np.bincount(data.train.labels).tolist() == [20] * 10
