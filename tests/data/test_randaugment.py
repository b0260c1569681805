"""The strong view of multi-level logit distillation: what is drawn, and what each operation does to an image."""
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kdjax.config import default
from kdjax.data import randaugment, views

NAMES = list(randaugment.OPERATIONS)
IMAGES = jnp.asarray(np.random.default_rng(0).integers(0, 256, (6, 16, 16, 3)), jnp.uint8)


def still(n=6, operation="Identity", magnitude=0.0, side=0.0, place=0.5):
    """Draws that change nothing but what is asked for."""
    middle = views.Views(*(jnp.full(n, x) for x in (4, 4, False)))
    which = jnp.asarray([[NAMES.index(operation), NAMES.index("Identity")]] * n)
    return randaugment.Draws(middle, which, jnp.full((n, 2), magnitude), jnp.full(n, side), jnp.full((n, 2), place))


see = jax.jit(randaugment.apply)
draw = jax.jit(randaugment.draw, static_argnums=1)


def test_draws_are_in_the_released_ranges_and_use_every_operation():
    drawn = draw(jax.random.key(0), 4000)
    assert set(np.unique(drawn.operation)) == set(range(14))
    flat = [np.ravel(x) for x in (drawn.operation, drawn.magnitude)]
    for name, low, high in (("Rotate", -30, 30), ("ShearX", -0.3, 0.3), ("TranslateY", -0.3, 0.3), ("Posterize", 4, 8),
                            ("Solarize", 0, 256), ("Brightness", -0.95, -0.05)):
        got = flat[1][flat[0] == NAMES.index(name)]
        assert low <= got.min() < low + 0.1 * (high - low) and high - 0.1 * (high - low) < got.max() <= high
    assert drawn.side.min() >= 0 and 0.45 < drawn.side.max() <= 0.5


def test_nothing_drawn_changes_nothing():
    assert (see(IMAGES, still()) == IMAGES).all()


def test_the_images_are_each_changed_by_their_own_operation():
    which = jnp.asarray([[NAMES.index("Solarize"), 0]] + [[0, 0]] * 5)
    seen = see(IMAGES, still()._replace(operation=which))
    assert (seen[0] == 255 - IMAGES[0]).all() and (seen[1:] == IMAGES[1:]).all()


@pytest.mark.parametrize(("operation", "magnitude", "change"), [
    ("Brightness", -0.5, lambda x: np.trunc(x * 0.5)),
    ("Posterize", 4.7, lambda x: x.astype(int) & 0xF0),
    ("TranslateX", 0.25, lambda x: np.pad(x, ((0, 0), (0, 0), (4, 0), (0, 0)))[:, :, :16]),
    ("Rotate", 0.0, lambda x: x),
    ("ShearX", 0.0, lambda x: x)])
def test_an_operation_does_what_it_says(operation, magnitude, change):
    seen = see(IMAGES, still(operation=operation, magnitude=magnitude))
    np.testing.assert_array_equal(seen, change(np.asarray(IMAGES)))


def test_the_cutout_is_a_square_of_its_colour_that_stays_inside():
    hole = lambda **where: (np.asarray(see(IMAGES, still(**where))) == randaugment.COLOUR).all(-1)[0]
    middle = hole(side=0.5, place=0.5)
    assert middle.sum() == 64 and middle[4:12, 4:12].all()
    corner = hole(side=0.5, place=0.0)
    assert corner.sum() == 64 and corner[:8, :8].all()
    assert hole(side=0.5, place=1.0).sum() == 16  # cut off at the far border


def test_the_strong_view_is_a_normalised_image_that_follows_the_config():
    options = default().data
    drawn, apply = randaugment.strong(options, np.zeros(3), np.ones(3))
    seen = jax.eval_shape(lambda key: apply(IMAGES, drawn(key, 6)), jax.random.key(1))
    assert seen.shape == IMAGES.shape and seen.dtype == jnp.float32
    options.flip, options.crop = False, 0
    again, _ = randaugment.strong(options, np.zeros(3), np.ones(3))
    drawn = jax.jit(again, static_argnums=1)(jax.random.key(1), 50)
    assert not drawn.view.mirror.any() and not drawn.view.top.any()
