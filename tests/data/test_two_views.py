"""The random views of contrastive learning: Pillow's pixels for given draws, and what every view promises."""
import jax
import jax.numpy as jnp
import numpy as np

from kdjax.data import jitter, two_views
from tests.selfsup_golden import load


def test_the_whole_pipeline_stays_near_pillows_eight_bits():
    data, meta = load("image_augment")
    codes = jnp.asarray(data["in.order"])
    assert meta["order_codes"] == list(jitter.OPERATIONS)
    draws = jitter.Jitter(*(jnp.asarray(data[f"in.{name}"], jnp.float32) for name in jitter.OPERATIONS), codes)
    n = len(codes)
    seen = two_views.Seen(jnp.asarray(data["in.crop_top_left_h_w"]), jnp.ones(n, bool), draws,
                          jnp.asarray(data["in.gray"], bool), jnp.asarray(data["in.flip"], bool))
    got = np.asarray(two_views.apply(jnp.asarray(data["in.images"]), seen)) * 255
    far = np.abs(got - data["u8.pipeline"])
    assert far.mean() < 2 and np.quantile(far, 0.99) < 8
    _, apply = two_views.images((32, 32), meta["mean"], meta["std"], jnp.float32)
    shown = np.asarray(apply(jnp.asarray(data["in.images"]), seen))
    assert np.abs(shown - data["f32.pipeline_normalized_cifar10"]).mean() < 2 / 255 / 0.2


def test_two_views_of_a_key_differ_and_a_key_gives_the_same_view_again():
    images = jax.random.randint(jax.random.key(0), (16, 32, 32, 3), 0, 256).astype(jnp.uint8)
    draw, apply = two_views.images((32, 32), (0.5,) * 3, (0.25,) * 3, jnp.float32)
    one, again, other = (apply(images, draw(jax.random.key(k), 16)) for k in (1, 1, 2))
    assert np.array_equal(one, again) and not np.array_equal(one, other)
    assert one.shape == (16, 32, 32, 3) and float(jnp.abs(one).max()) <= 2.0


def test_without_augmentation_a_view_is_the_image_itself():
    images = jnp.full((2, 8, 8, 3), 255, jnp.uint8)
    draw, apply = two_views.images((8, 8), (0.0,) * 3, (1.0,) * 3, jnp.float32, augment=False)
    np.testing.assert_array_equal(apply(images, draw(jax.random.key(0), 2)), 1)


def test_a_tables_view_drops_numbers_only():
    draw, apply = two_views.table(3, 0.5, jnp.float32)
    seen = np.asarray(apply(jnp.ones((200, 5)), draw(jax.random.key(0), 200)))
    assert (seen[:, 3:] == 1).all() and 0.4 < seen[:, :3].mean() < 0.6
    keep, whole = two_views.table(3, 0.0, jnp.float32)
    assert (np.asarray(whole(jnp.ones((9, 5)), keep(jax.random.key(0), 9))) == 1).all()


def test_a_version_is_drawn_for_every_recording():
    draw, apply = two_views.versions(4, jnp.float32)
    made = jnp.arange(12.0).reshape(3, 4, 1)
    seen = np.asarray(apply(made, draw(jax.random.key(0), 3)))[:, 0]
    assert (seen // 4 == [0, 1, 2]).all()
