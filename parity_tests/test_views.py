"""Level (f): what training sees of an image. All 81 x 2 views, each as the protocol says, each equally likely."""
import jax
import numpy as np
import pytest
import torch

from kdjax.data import views as augment
from parity_tests.tolerances import check

CROP, SIDE, VIEWS = 4, 9, 162
PADDINGS = {"zero": "constant", "reflect": "reflect"}


def view(image, top, left, mirror, padding):
    """One view of a [C, H, W] tensor, spec/protocols.md 1.1: pad 4, crop 32, flip; the VID release flips first."""
    if mirror and padding == "reflect":
        image = image.flip(2)
    padded = torch.nn.functional.pad(image[None].double(), (CROP,) * 4, mode=PADDINGS[padding])[0]
    out = padded[:, top:top + image.shape[1], left:left + image.shape[2]]
    return out.flip(2) if mirror and padding == "zero" else out


def all_views(image, padding):
    """[162, H, W, C] uint8 in the order (top, left, mirror)."""
    views = [view(image, t, n, m, padding) for t in range(SIDE) for n in range(SIDE) for m in (False, True)]
    return torch.stack(views).permute(0, 2, 3, 1).numpy().astype(np.uint8)


def picture():
    """A picture [3, 32, 32] whose 162 views all differ, with no black in it."""
    return torch.from_numpy(np.random.default_rng(5).integers(1, 256, (3, 32, 32), dtype=np.uint8))


def numbers(pictures, known):
    """Which of the known views each picture is."""
    index = {v.tobytes(): i for i, v in enumerate(known)}
    return np.array([index[p.tobytes()] for p in np.asarray(pictures)])


@pytest.mark.parametrize("padding", PADDINGS)
def test_each_of_the_162_views_is_the_protocols_crop_and_flip(padding):
    image = picture()
    n = np.arange(VIEWS)
    draws = augment.Views(n // 2 // SIDE, n // 2 % SIDE, n % 2 == 1)
    batch = np.repeat(image.permute(1, 2, 0).numpy()[None], VIEWS, axis=0)
    want = all_views(image, padding)
    assert len({v.tobytes() for v in want}) == VIEWS
    check("views", f"{padding} padding", jax.jit(augment.apply, static_argnames=("crop", "padding"))(
        batch, draws, crop=CROP, padding=padding), want)


@pytest.mark.parametrize("padding", PADDINGS)
def test_every_view_is_drawn_and_all_equally_often(padding):
    """Chi-square with 161 degrees of freedom: mean 161, standard deviation 18; 5 of them allowed on either side."""
    image, known = picture(), all_views(picture(), padding)
    batch = np.repeat(image.permute(1, 2, 0).numpy()[None], 64, axis=0)
    one = jax.jit(lambda key: augment.augment(batch, key, crop=CROP, flip=True, padding=padding))
    seen = np.concatenate([numbers(one(jax.random.key(i)), known) for i in range(150)])
    counts = np.bincount(seen, minlength=VIEWS)
    assert (counts > 0).all()
    expected = len(seen) / VIEWS
    assert 161 - 5 * 18 < ((counts - expected) ** 2 / expected).sum() < 161 + 5 * 18


def test_the_images_of_a_batch_are_drawn_independently():
    """Chi-square of the pairs (view of image 0, view of image 1), each in 9 groups: 80 degrees of freedom."""
    draws = jax.vmap(lambda key: augment.draw(key, 2))(jax.random.split(jax.random.key(3), 8100))
    top, left = np.asarray(draws.top), np.asarray(draws.left)
    for a, b in ((top[:, 0], top[:, 1]), (left[:, 0], left[:, 1]), (top[:, 0], left[:, 0])):
        counts = np.bincount(a * SIDE + b, minlength=81)
        assert 80 - 5 * 13 < ((counts - 100) ** 2 / 100).sum() < 80 + 5 * 13


def test_without_flip_and_crop_nothing_happens():
    image = picture().permute(1, 2, 0).numpy()[None]
    assert np.array_equal(augment.augment(image, jax.random.key(0), crop=0, flip=False), image)


def test_normalising_is_torchs_scale_then_standardise():
    image, mean, std = picture(), [0.5071, 0.4867, 0.4408], [0.2675, 0.2565, 0.2761]
    column = lambda x: torch.tensor(x, dtype=torch.float64)[:, None, None]
    want = ((image.double() / 255 - column(mean)) / column(std)).permute(1, 2, 0).numpy()
    got = augment.normalize(image.permute(1, 2, 0).numpy()[None], mean, std, np.float64)[0]
    check("views", "normalise", got, want)
