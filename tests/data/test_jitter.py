"""Colour jitter, grey and the strong view, beside Pillow's 8-bit operations (the shared golden file)."""
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kdjax.data import jitter, resize, strong

IMAGES = np.random.default_rng(0).integers(0, 256, (8, 12, 12, 3), dtype=np.uint8)
UNIT = jnp.asarray(IMAGES / 255, jnp.float32)
IDLE = jitter.Jitter(*(jnp.ones(8),) * 3, jnp.zeros(8), jnp.tile(jnp.arange(4), (8, 1)))


@pytest.fixture
def pillow(shared):
    with np.load(shared / "golden" / "self_supervised" / "image_augment.npz") as z:
        return {k: z[k].astype(np.float32) if z[k].dtype == np.float64 else z[k] for k in z.files}


def levels(got, want):
    off = np.abs(np.asarray(got) * 255 - want)
    return off.mean(), off.max()


@pytest.mark.parametrize(("name", "mean", "most"), [("brightness", 0.6, 1.2), ("contrast", 0.6, 1.2),
                                              ("saturation", 0.6, 1.2), ("hue", 0.9, 13)])
def test_each_operation_stays_within_the_stated_distance_of_pillow(pillow, name, mean, most):
    off = levels(jitter.adjust(np.float32(pillow["in.images"]) / 255, name, pillow[f"in.{name}"]), pillow[f"u8.{name}"])
    assert off[0] <= mean
    assert off[1] <= most


def test_grey_and_the_resized_crop_stay_within_the_stated_distance_of_pillow(pillow):
    x = np.float32(pillow["in.images"]) / 255
    assert levels(jitter.grey(x), pillow["u8.gray"])[1] <= 0.5001
    assert levels(resize.resized_crop(x, pillow["in.crop_top_left_h_w"], 32), pillow["u8.crop"])[1] <= 1.2


def test_the_whole_strong_view_with_given_draws_stays_near_pillow(pillow):
    factors = jitter.Jitter(*(jnp.asarray(pillow[f"in.{name}"]) for name in jitter.OPERATIONS),
                            jnp.asarray(pillow["in.order"]))
    draws = strong.Strong(jnp.asarray(pillow["in.crop_top_left_h_w"]), jnp.ones(6, bool), factors,
                          jnp.asarray(pillow["in.gray"]), jnp.asarray(pillow["in.flip"]))
    mean, most = levels(strong.apply(pillow["in.images"], draws), pillow["u8.pipeline"])
    assert mean <= 1.5
    assert most <= 15


def test_factors_of_one_and_no_shift_change_nothing():
    np.testing.assert_allclose(jitter.apply(UNIT, IDLE), UNIT, atol=1e-6)


def test_a_third_of_a_turn_makes_red_green():
    red = jnp.asarray([[[[1.0, 0.2, 0.2]]]])
    np.testing.assert_allclose(jitter.adjust(red, "hue", jnp.ones(1) / 3)[0, 0, 0], [0.2, 1.0, 0.2], atol=1e-6)


def test_operations_happen_in_each_images_own_order():
    dark_then_contrast = IDLE._replace(brightness=jnp.full(8, 0.3), contrast=jnp.full(8, 1.4),
                                       order=jnp.tile(jnp.asarray([0, 1, 2, 3]), (8, 1)).at[1].set(
                                           jnp.asarray([1, 0, 2, 3])))
    out = jitter.apply(jnp.broadcast_to(UNIT[:1], UNIT.shape), dark_then_contrast)
    assert np.abs(out[0] - out[1]).max() > 0.01
    np.testing.assert_allclose(out[0], out[2])


def test_draws_have_the_releases_ranges_and_frequencies():
    draws = strong.draw(jax.random.key(0), 4000)
    assert set(np.unique(draws.crop)) == set(range(9))
    for factor in draws.jitter[:3]:
        assert 0.6 <= factor.min() < 0.61
        assert 1.39 < factor.max() <= 1.4
    assert -0.1 <= draws.jitter.hue.min() < -0.095
    assert 0.095 < draws.jitter.hue.max() <= 0.1
    assert len(np.unique(np.asarray(draws.jitter.order), axis=0)) == 24
    shares = [float(flags.mean()) for flags in (draws.jittered, draws.grey, draws.mirror)]
    np.testing.assert_allclose(shares, [0.8, 0.2, 0.5], atol=0.04)


def test_an_image_without_any_coin_is_only_cropped():
    draws = strong.draw(jax.random.key(0), 8, pad=2)._replace(
        jittered=jnp.zeros(8, bool), grey=jnp.zeros(8, bool), mirror=jnp.zeros(8, bool), crop=jnp.full((8, 2), 2))
    np.testing.assert_allclose(strong.apply(IMAGES, draws, pad=2), UNIT, rtol=1e-6)


def test_two_views_of_a_batch_are_independent():
    one, other = strong.two_views(jax.random.key(0), IMAGES)
    assert one.shape == other.shape == IMAGES.shape
    assert (np.abs(one - other).max(axis=(1, 2, 3)) > 0.01).all()
