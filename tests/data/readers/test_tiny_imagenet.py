import json
import zipfile

import numpy as np
import pytest

from kdjax.data import source, stats
from kdjax.data.readers import tiny_imagenet
from kdjax.errors import UserError

WNIDS = ("n02", "n01")  # as wnids.txt has them: not sorted


@pytest.fixture
def layout(tmp_path, png):
    """Two classes, two training and one validation image each, one of them grey, and unlabelled test images."""
    root, rng = tmp_path / "tiny-imagenet-200", np.random.default_rng(0)
    image = lambda *shape: png(rng.integers(0, 256, shape, dtype=np.uint8), "JPEG")
    notes = ""
    for number, wnid in enumerate(WNIDS):
        (root / "train" / wnid / "images").mkdir(parents=True)
        (root / "train" / wnid / f"{wnid}_boxes.txt").write_text("x")
        for k in range(2):
            (root / "train" / wnid / "images" / f"{wnid}_{k}.JPEG").write_bytes(image(64, 64, 3))
        (root / "val" / "images").mkdir(parents=True, exist_ok=True)
        (root / "val" / "images" / f"val_{number}.JPEG").write_bytes(image(*((64, 64) if number else (64, 64, 3))))
        notes += f"val_{number}.JPEG\t{wnid}\t0\t0\t62\t62\n"
    (root / "test" / "images").mkdir(parents=True)
    (root / "test" / "images" / "test_0.JPEG").write_bytes(image(64, 64, 3))
    (root / "val" / "val_annotations.txt").write_text(notes)
    (root / "wnids.txt").write_text("\n".join(WNIDS))
    return root


@pytest.fixture
def packed(layout, tmp_path):
    """The same as the official zip, in a folder of its own."""
    path = tmp_path / "zips" / tiny_imagenet.ARCHIVE
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(layout.rglob("*")):
            archive.write(file, f"tiny-imagenet-200/{file.relative_to(layout)}")
    return path


def test_classes_are_the_sorted_wnids_and_the_validation_images_are_the_test(layout, make_cfg, tmp_path):
    data = source.load(make_cfg(dataset="tiny_imagenet", dir=str(tmp_path)), 0)
    np.testing.assert_array_equal(data.train.labels, [0, 0, 1, 1])
    np.testing.assert_array_equal(data.test.labels, [1, 0])
    assert data.test.images.shape == (2, 64, 64, 3) and (data.name, data.num_classes) == ("tiny_imagenet", 2)
    assert (data.mean, data.std) == stats.STATS["tiny_imagenet"]
    grey = data.test.images[1].astype(int)
    assert (grey[..., 0] == grey[..., 2]).all()


def test_the_zip_holds_the_same_images_and_is_not_unpacked(layout, packed, make_cfg):
    folder = source.load(make_cfg(dataset=str(layout), image_size=32), 0)
    archive = source.load(make_cfg(dataset="tiny_imagenet", dir=str(packed.parent), image_size=32), 0)
    for split in ("train", "test"):
        for mine, theirs in zip(getattr(folder, split), getattr(archive, split)):
            np.testing.assert_array_equal(mine, theirs)
    assert list(packed.parent.iterdir()) == [packed]


def test_a_damaged_or_foreign_zip_is_one_sentence(packed, make_cfg):
    cfg = make_cfg(dataset="tiny_imagenet", dir=str(packed.parent))
    packed.write_bytes(packed.read_bytes()[:-200])
    with pytest.raises(UserError, match="not a whole zip"):
        source.load(cfg, 0)
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("readme.txt", "nothing")
    with pytest.raises(UserError, match="lacks train"):
        source.load(cfg, 0)


def test_an_annotation_of_an_unknown_class_is_one_sentence(packed, make_cfg):
    with zipfile.ZipFile(packed, "a") as archive:
        archive.writestr("tiny-imagenet-200/val/images/val_9.JPEG", b"x")
    with pytest.raises(UserError, match="val_9.JPEG has no class"):
        source.load(make_cfg(dataset="tiny_imagenet", dir=str(packed.parent)), 0)


def test_a_bomb_is_refused_before_it_is_decompressed(packed, make_cfg):
    with zipfile.ZipFile(packed, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("tiny-imagenet-200/train/n01/images/huge.JPEG", bytes(9 << 20))
    with pytest.raises(UserError, match="or larger ones"):
        source.load(make_cfg(dataset="tiny_imagenet", dir=str(packed.parent)), 0)


def test_the_originals_labels_of_validation_images(shared, tmp_path, png, make_cfg):
    with np.load(shared / "golden/transfer/preprocess.npz", allow_pickle=False) as golden:
        meta, images, labels = json.loads(str(golden["meta"])), golden["tiny.images"], golden["val.labels"]
        resized, grey, grey_resized = golden["tiny.resized"], golden["tiny.gray"], golden["tiny.gray_resized"]
    for name in meta["classes"]:
        (tmp_path / "train" / name / "images").mkdir(parents=True)
        (tmp_path / "train" / name / "images" / "a.JPEG").write_bytes(png(grey))  # Pillow looks at the bytes
    (tmp_path / "val/images").mkdir(parents=True)
    for number, name in enumerate(meta["val_files"]):
        (tmp_path / "val/images" / name).write_bytes(png(images[number % len(images)]))
    (tmp_path / "val/val_annotations.txt").write_text(meta["val_annotations"])
    (tmp_path / "wnids.txt").write_text("\n".join(meta["classes"]))
    data = source.load(make_cfg(dataset=str(tmp_path), image_size=32), 0)
    order = np.argsort(meta["val_files"])
    np.testing.assert_array_equal(data.test.labels, labels[order])
    np.testing.assert_array_equal(data.test.images, resized[order % len(images)])
    np.testing.assert_array_equal(data.train.images[0], grey_resized)


def test_the_subset_reads(shared, make_cfg):
    data = source.load(make_cfg(dataset=str(shared / "data/tiny-imagenet-200-subset")), 0)
    assert (len(data.train.labels), len(data.test.labels), data.num_classes) == (1000, 1000, 20)
