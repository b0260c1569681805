"""Class folders without a test set, and images of other shapes made square."""
import warnings

import numpy as np
import pytest
from PIL import Image

from kdjax.data import source as sources
from kdjax.data.readers import images, unsplit
from kdjax.errors import UserError

SIZES = {"cat": 10, "dog": 3, "emu": 2}


@pytest.fixture
def photos(tmp_path, png):
    """Three classes of 10, 3 and 2 images, upper-case endings, each image of its own colour; returns the root."""
    for number, (name, count) in enumerate(SIZES.items()):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(count):
            pixels = np.full((8, 8, 3), 20 * number + i, np.uint8)
            (tmp_path / "photos" / name / f"{i}.PNG").write_bytes(png(pixels))
    (tmp_path / "photos" / "Thumbs.db").write_bytes(b"x")
    return tmp_path / "photos"


def load(make_cfg, path, **fields):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        return sources.load(make_cfg(dataset=str(path), **fields), 0), " ".join(str(w.message) for w in said)


def colours(split):
    return split.images[:, 0, 0, 0].tolist()


def test_a_share_of_each_class_is_held_out_and_said(photos, make_cfg):
    data, said = load(make_cfg, photos, test_fraction=0.2)
    assert np.bincount(data.train.labels).tolist() == [8, 2, 1] and np.bincount(data.test.labels).tolist() == [2, 1, 1]
    every = sorted(colours(data.train) + colours(data.test))
    assert every == [*range(10), *range(20, 23), *range(40, 42)] and data.classes == tuple(SIZES)
    assert "4 of its 15 images" in said and all(c // 20 == k for c, k in zip(colours(data.test), data.test.labels))


def test_it_is_the_same_for_every_seed_of_a_run_and_another_for_another_test_seed(photos, make_cfg):
    first, again = (sources.load(make_cfg(dataset=str(photos), test_fraction=0.5), seed) for seed in (0, 1))
    other, _ = load(make_cfg, photos, test_fraction=0.5, test_seed=1)
    assert colours(first.test) == colours(again.test) != colours(other.test)


def test_train_alone_is_split_too_and_a_test_set_of_its_own_is_respected(photos, make_cfg, tmp_path):
    (tmp_path / "set").mkdir()
    photos.rename(tmp_path / "set" / "train")
    with pytest.raises(UserError, match="data.test_fraction=0.2"):
        load(make_cfg, tmp_path / "set")
    data, _ = load(make_cfg, tmp_path / "set", test_fraction=0.2)
    assert len(data.test.labels) == 4
    (tmp_path / "set" / "test" / "cat").mkdir(parents=True)
    (tmp_path / "set" / "test" / "cat" / "1.png").write_bytes((tmp_path / "set/train/cat/1.PNG").read_bytes())
    with pytest.raises(UserError, match="has test images of its own"):
        load(make_cfg, tmp_path / "set", test_fraction=0.2)


def test_without_the_fraction_the_sentence_has_the_cure(photos, make_cfg):
    with pytest.raises(UserError, match="no train/ and test/: set data.test_fraction=0.2"):
        load(make_cfg, photos)


def test_one_image_cannot_be_trained_on_and_tested_on(photos, make_cfg):
    (photos / "emu" / "1.PNG").unlink()
    with pytest.raises(UserError, match="'emu' has one image"):
        load(make_cfg, photos, test_fraction=0.2)


def test_a_data_set_with_its_own_test_set_takes_no_fraction(make_cfg, tmp_path):
    arrays = {f"{split}_{what}": value for split in ("train", "test") for what, value in (
        ("images", np.zeros((4, 8, 8, 3), np.uint8)), ("labels", np.arange(4) % 2))}
    np.savez(tmp_path / "own.npz", **arrays)
    with pytest.raises(UserError, match="own.npz has test images of its own"):
        load(make_cfg, tmp_path / "own.npz", test_fraction=0.2)


def test_a_folder_that_holds_no_images_is_none(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "notes.txt").write_text("no image")
    assert not unsplit.recognise(tmp_path) and not unsplit.recognise(tmp_path / "gone")


@pytest.mark.parametrize(("shape", "box"), [((8, 16), (4, 0, 12, 8)), ((16, 8), (0, 4, 8, 12)), ((9, 8), None)])
def test_the_middle_is_cut_out_after_the_shorter_side_was_resized(png, shape, box):
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    got = images.Decoder(8, resize="crop")(png(pixels), "x")
    want = np.asarray(Image.fromarray(pixels).crop(box)) if box else pixels[:8]  # torchvision: round(0.5) is 0
    np.testing.assert_array_equal(got, want)
    np.testing.assert_array_equal(images.resize(pixels[None], 8, "crop")[0], want)
    assert images.Decoder(8)(png(pixels), "x").shape == (8, 8, 3)
