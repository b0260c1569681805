"""Pillow's resize, in numpy."""
import numpy as np
import pytest

from kdjax.data import resize


@pytest.mark.parametrize(("size", "out"), [(96, 32), (64, 32), (32, 64), (17, 32), (32, 32)])
def test_resizing_equals_pillow_bit_for_bit(size, out):
    image = pytest.importorskip("PIL.Image")
    images = np.random.default_rng(size).integers(0, 256, (3, size, size, 3), dtype=np.uint8)
    images[1] = np.where(images[1] > 127, 255, 0)
    want = [np.asarray(image.fromarray(x).resize((out, out), image.Resampling.BILINEAR)) for x in images]
    np.testing.assert_array_equal(resize.resize(images, out), want)


def test_height_and_width_may_differ():
    images = np.random.default_rng(0).integers(0, 256, (2, 20, 30, 3), dtype=np.uint8)
    assert resize.resize(images, (10, 40)).shape == (2, 10, 40, 3)


def test_the_shared_stl_and_tiny_imagenet_images_come_out_exactly(shared):
    z = np.load(shared / "golden" / "transfer" / "preprocess.npz")
    np.testing.assert_array_equal(resize.resize(z["tiny.images"], 32), z["tiny.resized"])
    stl = z["stl.X_bin"].reshape(-1, 3, 96, 96).transpose(0, 3, 2, 1)
    np.testing.assert_array_equal(resize.resize(stl, 32), z["stl.resized"])


def test_a_crop_of_the_whole_image_at_its_own_size_is_the_image():
    images = np.random.default_rng(0).random((2, 8, 8, 3), dtype=np.float32)
    np.testing.assert_allclose(resize.resized_crop(images, np.array([[0, 0, 8, 8]] * 2), 8), images, atol=1e-6)
