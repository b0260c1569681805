import time

import ml_collections
import numpy as np
import pytest

from kdjax.data import source as sources
from kdjax.data import stats
from kdjax.data.readers import digits
from kdjax.errors import UserError


@pytest.fixture
def npz_cfg(tmp_path, arrays, make_cfg):
    np.savez(tmp_path / "tiny.npz", **arrays)
    return lambda **fields: make_cfg(**{"dataset": str(tmp_path / "tiny.npz"), **fields})


def test_digits_need_no_files_and_are_the_same_for_every_seed(make_cfg):
    data, again = sources.load(make_cfg(), 0), sources.load(make_cfg(), 9)
    assert data.train.images.shape == (1438, 32, 32, 3)
    assert data.test.images.shape == (359, 32, 32, 3)
    assert data.train.images.dtype == np.uint8
    assert data.train.labels.dtype == np.int32
    assert (data.name, data.num_classes, data.image_size, data.valid) == ("digits", 10, 32, None)
    np.testing.assert_array_equal(data.train.images, again.train.images)
    assert np.bincount(data.test.labels).min() >= 34


def test_digits_statistics_are_those_of_their_training_images():
    np.testing.assert_allclose(stats.measure(digits.read().train.images), stats.STATS["digits"], atol=5e-5)


def test_enlarged_digits_are_bilinear():
    small = np.random.default_rng(0).integers(0, 17, (2, 8, 8)).astype(float)
    large = digits.enlarge(small)
    inner = [25, 15, 15, 9] @ small[0, :2, :2].ravel() / 64  # at 3/8 of the way from one pixel to the next
    assert large[0, 0, 0, 0] == np.rint(small[0, 0, 0] * 255 / 16)
    assert large[0, 3, 3, 0] == np.rint(inner * 255 / 16)


def test_a_config_dict_works_like_a_namespace(make_cfg):
    cfg = ml_collections.ConfigDict(vars(make_cfg(per_class=3)))
    assert len(sources.load(cfg, 0).train.labels) == 30


def test_validation_images_are_taken_off_the_training_images(npz_cfg, arrays):
    data, plain = sources.load(npz_cfg(valid_size=4), 3), arrays["train_images"]
    assert len(data.train.labels) == 8
    assert len(data.valid.labels) == 4
    together = np.concatenate([data.train.images, data.valid.images])
    assert {image.tobytes() for image in together} == {image.tobytes() for image in plain}
    same, other = sources.load(npz_cfg(valid_size=4), 3), sources.load(npz_cfg(valid_size=4), 4)
    np.testing.assert_array_equal(data.valid.images, same.valid.images)
    assert (data.valid.images != other.valid.images).any()


def test_a_subset_has_so_many_images_of_each_class_and_smaller_ones_lie_inside(make_cfg):
    twenty, five = (sources.load(make_cfg(per_class=n), 1).train for n in (20, 5))
    assert (np.bincount(twenty.labels) == 20).all()
    assert (np.bincount(five.labels) == 5).all()
    assert {image.tobytes() for image in five.images} <= {image.tobytes() for image in twenty.images}
    other = sources.load(make_cfg(per_class=5, per_class_seed=2), 1).train
    assert (five.images != other.images).any()


def test_runs_of_all_seeds_train_on_the_same_subset(make_cfg):
    first, second = (sources.load(make_cfg(per_class=5), seed).train for seed in (1, 2))
    np.testing.assert_array_equal(first.images, second.images)


def test_held_out_images_do_not_change_which_others_are_chosen(make_cfg):
    whole, other = (sources.load(make_cfg(per_class=20, valid_size=size), 1) for size in (0, 300))
    chosen = [{image.tobytes() for image in data.train.images} for data in (whole, other)]
    held_out = {image.tobytes() for image in other.valid.images}
    assert chosen[0] - held_out <= chosen[1] and not chosen[1] & held_out and len(chosen[1]) == 200


def test_statistics_are_measured_on_all_training_images(npz_cfg, arrays):
    scaled = arrays["train_images"] / 255
    for cfg in (npz_cfg(), npz_cfg(per_class=1)):
        data = sources.load(cfg, 0)
        np.testing.assert_allclose(data.mean, scaled.mean((0, 1, 2)), rtol=1e-12)
        np.testing.assert_allclose(data.std, scaled.std((0, 1, 2)), rtol=1e-12)


def test_statistics_by_name_and_as_a_pair(npz_cfg):
    assert sources.load(npz_cfg(stats="imagenet"), 0).mean == (0.485, 0.456, 0.406)
    data = sources.load(npz_cfg(stats=((0, 0, 0), [1, 1, 2])), 0)
    assert (data.mean, data.std) == ((0, 0, 0), (1, 1, 2))


def test_a_constant_channel_is_not_divided_by_zero():
    assert stats.measure(np.zeros((2, 4, 4, 3), np.uint8)) == ((0, 0, 0), (1, 1, 1))


def test_images_are_resized_on_request(npz_cfg):
    data = sources.load(npz_cfg(image_size=4), 0)
    assert data.train.images.shape == (12, 4, 4, 3)
    assert (data.image_size, data.test.images.shape[1]) == (4, 4)


def test_classes_are_known_before_loading_where_the_name_tells():
    assert [sources.known_classes(name) for name in ("digits", "cifar10", "cifar100", "shapes")] == [10, 10, 100, None]


@pytest.mark.parametrize(("fields", "words"), [
    (dict(stats="cifar"), "one of cifar10"),
    (dict(stats=((0, 0), (1, 1))), "three"),
    (dict(stats=((0, 0, 0), (1, 1, 0))), "positive"),
    (dict(stats=7), "three"),
    (dict(valid_size=12), "valid_size=12"),
    (dict(valid_size=-1), "valid_size=-1"),
    (dict(per_class=5), "at most 4"),
    (dict(per_class=-1), "per_class=-1"),
    (dict(image_size=0), "image_size=0"),
    (dict(dataset=""), "give the name"),
    (dict(dataset="a\0b"), "give the name"),
    (dict(dataset="x" * 5000), "cannot read"),
    (dict(dataset="no/such.npz"), "no such file"),
    (dict(dataset="no/such/folder"), "no such file"),
    (dict(dataset="cifra10"), "did you mean cifar10"),
    (dict(dataset="imagenette"), "prepared by TFDS"),
    (dict(dataset="imagenette", download=True), "cannot download"),
])
def test_wrong_fields_are_refused_with_one_sentence(npz_cfg, fields, words):
    with pytest.raises(UserError, match=words) as caught:
        sources.load(npz_cfg(**fields), 0)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_missing_data_is_reported_at_once_with_the_three_ways_to_get_it(make_cfg, tmp_path, name):
    start = time.monotonic()
    with pytest.raises(UserError, match=f"{name}/<version>/.*python.tar.gz.*data.download=True"):
        sources.load(make_cfg(dataset=name, dir=str(tmp_path)), 0)
    assert time.monotonic() - start < 2


def test_a_folder_that_is_no_data_set_is_refused(make_cfg, tmp_path):
    with pytest.raises(UserError, match="is no data set"):
        sources.load(make_cfg(dataset=str(tmp_path)), 0)


def test_the_environment_names_a_folder_too(make_cfg, tmp_path, arrays, monkeypatch):
    np.savez(tmp_path / "tiny.npz", **arrays)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    assert sources.load(make_cfg(dataset="tiny"), 0).name == "tiny"
