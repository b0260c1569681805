"""Random resized crops by two matrices: Pillow's pixels, and boxes as torchvision draws them."""
import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from kdjax.data import resized_crop
from tests.selfsup_golden import load


def test_crops_are_pillows_up_to_its_rounding():
    data, _ = load("image_augment")
    got = resized_crop.apply(jnp.asarray(data["in.images"]), jnp.asarray(data["in.crop_top_left_h_w"]), 32)
    assert np.abs(np.asarray(got) - data["u8.crop"]).max() < 1.2


def test_shrinking_is_antialiased_as_pillow_does():
    image = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    want = np.asarray(Image.fromarray(image).crop((3, 5, 38, 38)).resize((16, 16), Image.BILINEAR), float)
    got = resized_crop.apply(jnp.asarray(image)[None], jnp.asarray([[5, 3, 33, 35]]), 16)[0]
    assert np.abs(np.asarray(got) - want).max() < 1.2


def test_boxes_lie_inside_with_the_promised_area_and_ratio():
    top, left, height, width = np.asarray(resized_crop.draw(jax.random.key(0), 4000, (32, 32))).T
    assert (top >= 0).all() and (left >= 0).all() and (top + height <= 32).all() and (left + width <= 32).all()
    share, ratio = height * width / 1024, width / height
    assert share.min() > 0.17 and share.max() > 0.95
    assert 0.65 < ratio.min() < 0.8 and 1.25 < ratio.max() < 1.5
    assert {0, int(top.max())} <= set(top.tolist())


def test_a_shape_that_no_candidate_fits_gets_the_largest_centred_box():
    assert resized_crop.fallback((32, 32)) == (0, 0, 32, 32)
    assert resized_crop.fallback((10, 40)) == (0, 13, 10, 13)
    assert resized_crop.fallback((40, 10)) == (13, 0, 13, 10)
    boxes = np.asarray(resized_crop.draw(jax.random.key(0), 8, (2, 64), (0.99, 1.0)))
    assert (boxes == resized_crop.fallback((2, 64))).all()
