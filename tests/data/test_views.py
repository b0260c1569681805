from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kdjax.data import views as augment

IMAGES = np.random.default_rng(0).integers(1, 256, (16, 6, 5, 3), dtype=np.uint8)


def by_hand(images, views, crop, padding):
    """One image at a time, as the specs tell it."""
    out = []
    for image, top, left, mirror in zip(images, *map(np.asarray, views)):
        padded = np.pad(image, ((crop, crop), (crop, crop), (0, 0)), mode={"zero": "constant"}.get(padding, padding))
        if padding == "reflect" and mirror:
            padded = padded[:, ::-1]
        cut = padded[top:top + image.shape[0], left:left + image.shape[1]]
        out.append(cut[:, ::-1] if padding == "zero" and mirror else cut)
    return np.stack(out)


@pytest.mark.parametrize("padding", ["zero", "reflect"])
def test_views_equal_padding_cropping_and_flipping_by_hand(padding):
    views = augment.draw(jax.random.key(3), 16, crop=2)
    got = jax.jit(partial(augment.apply, crop=2, padding=padding))(IMAGES, views)
    assert got.dtype == jnp.uint8
    np.testing.assert_array_equal(got, by_hand(IMAGES, views, 2, padding))


def test_every_one_of_the_162_views_is_equally_likely():
    n = 162_000
    top, left, mirror = map(np.asarray, augment.draw(jax.random.key(0), n))
    counts = np.bincount((top * 9 + left) * 2 + mirror, minlength=162)
    assert len(counts) == 162
    assert top.min() == left.min() == 0
    assert top.max() == left.max() == 8
    chi2 = ((counts - n / 162) ** 2 / (n / 162)).sum()
    assert chi2 < 161 + 5 * np.sqrt(2 * 161)


def test_images_of_a_batch_are_drawn_independently():
    top, left, _ = augment.draw(jax.random.key(1), 4000)
    assert abs(np.corrcoef(top, left)[0, 1]) < 0.06
    assert abs(np.corrcoef(top[1:], top[:-1])[0, 1]) < 0.06


def test_augment_is_a_pure_function_of_its_key():
    one, same, other = (augment.augment(IMAGES, jax.random.key(seed)) for seed in (7, 7, 8))
    np.testing.assert_array_equal(one, same)
    assert (np.asarray(one) != np.asarray(other)).any()


def test_without_crop_and_flip_images_are_unchanged():
    got = augment.augment(IMAGES, jax.random.key(0), crop=0, flip=False, padding="zero")
    np.testing.assert_array_equal(got, IMAGES)


def test_zero_padding_is_raw_black_before_normalising():
    views = augment.Views(jnp.array([0]), jnp.array([0]), jnp.array([False]))
    corner = augment.apply(IMAGES[:1], views)[0, 0, 0]
    got = augment.normalize(corner, (0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761))
    np.testing.assert_allclose(got, (-1.8957, -1.8975, -1.5965), atol=1e-4)


def test_normalising_matches_float64_in_every_precision():
    mean, std = (0.5, 0.25, 0.1), (0.2, 0.3, 0.4)
    expected = (IMAGES / 255 - mean) / std
    got = augment.normalize(IMAGES, mean, std)
    assert got.dtype == jnp.float32
    np.testing.assert_allclose(got, expected, atol=1e-6)
    assert augment.normalize(IMAGES, mean, std, jnp.bfloat16).dtype == jnp.bfloat16
    with jax.enable_x64(True):
        double = augment.normalize(jnp.asarray(IMAGES), mean, std, jnp.float64)
        assert double.dtype == jnp.float64
        np.testing.assert_allclose(double, expected, rtol=1e-14, atol=1e-15)
        assert augment.normalize(jnp.asarray(IMAGES), mean, std).dtype == jnp.float32


def test_draws_do_not_depend_on_x64():
    plain = augment.draw(jax.random.key(5), 50)
    with jax.enable_x64(True):
        double = augment.draw(jax.random.key(5), 50)
    for a, b in zip(plain, double):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


def test_unknown_padding_and_too_wide_reflection_are_refused():
    views = augment.draw(jax.random.key(0), 16)
    with pytest.raises(ValueError, match="zero, reflect"):
        augment.apply(IMAGES, views, padding="mirror")
    with pytest.raises(ValueError, match="larger"):
        augment.apply(IMAGES, views, crop=5, padding="reflect")
