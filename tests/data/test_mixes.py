"""The mixing modes: what is drawn, and what a draw does."""
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kdjax.data import mixes, mixing

LOOK = mixes.Look((0.5, 0.4, 0.3), (0.2, 0.25, 0.3), 4, "cifar10")
X = jnp.asarray((np.random.default_rng(0).integers(0, 256, (6, 16, 16, 3)) / 255 - LOOK.mean) / LOOK.std, jnp.float32)
ASK = mixes.Ask(6, 16, 16)
BLACK = -np.array(LOOK.mean) / np.array(LOOK.std)


def mixed(name, ask=ASK, key=0):
    mode = mixes.MODES[name]
    draws = mode.draw(jax.random.key(key), ask)
    return np.asarray(mode.apply(X, draws, LOOK)), draws


@pytest.mark.parametrize("sample", [False, True], ids=["batch", "sample"])
@pytest.mark.parametrize("name", mixes.MODES)
def test_every_mode_gives_images_of_the_same_shape_inside_jit(name, sample):
    mode, ask = mixes.MODES[name], ASK._replace(sample=sample)
    out = jax.jit(lambda key: mode.apply(X, mode.draw(key, ask), LOOK))(jax.random.key(1))
    assert out.shape == X.shape
    assert out.dtype == X.dtype
    assert np.isfinite(out).all()


def test_one_draw_serves_the_batch_and_sample_draws_for_every_image():
    flipped = lambda ask, key: (mixed("flip", ask, key)[0] == np.asarray(mixing.flip(X))).all((1, 2, 3))
    assert all(flipped(ASK, key).all() or not flipped(ASK, key).any() for key in range(6))
    assert any(0 < flipped(ASK._replace(sample=True), key).sum() < 6 for key in range(6))


def test_crop_fills_with_black_in_normalised_space():
    out, draws = mixed("crop", key=2)
    assert tuple(draws["offset"]) != (2, 2)
    rows = out[:, 0] if draws["offset"][0] < 2 else out[:, -1] if draws["offset"][0] > 2 else None
    columns = out[:, :, 0] if draws["offset"][1] < 2 else out[:, :, -1]
    np.testing.assert_allclose(rows if rows is not None else columns, np.broadcast_to(BLACK, (6, 16, 3)), rtol=1e-6)


def test_offsets_and_centres_reach_every_place():
    keys = jax.random.split(jax.random.key(0), 2000)
    offsets = jax.vmap(lambda k: mixes.MODES["crop"].draw(k, ASK)["offset"])(keys)
    centres = jax.vmap(lambda k: mixes.MODES["cutout"].draw(k, mixes.Ask(6, 16, 8))["center"])(keys)
    assert set(np.unique(offsets)) == set(range(5))
    assert set(np.unique(centres[:, 0])) == set(range(16))
    assert set(np.unique(centres[:, 1])) == set(range(8))


def test_cutouts_hole_is_a_quarter_of_the_image_but_16_pixels_for_cifar10():
    sides = [mixes.default_cutout(*case) for case in
             [("cifar100", 32), ("tiny_imagenet", 64), ("imagenet", 224), ("cifar10", 32)]]
    assert sides == [8, 16, 56, 16]


def test_no_image_of_a_cutmix_is_its_own_partner_and_all_derangements_are_equally_likely():
    perms = jax.vmap(lambda k: mixes.derangement(k, 4))(jax.random.split(jax.random.key(0), 9000))
    found, counts = np.unique(np.asarray(perms), axis=0, return_counts=True)
    assert len(found) == 9  # 9 derangements of 4
    assert (found != np.arange(4)).all()
    assert np.abs(counts - 1000).max() < 5 * np.sqrt(1000)
    with pytest.raises(ValueError, match="no partners"):
        mixes.derangement(jax.random.key(0), 1)


def test_cutmixs_lambda_is_corrected_to_the_area_that_was_kept():
    out, draws = mixed("cutmix", key=3)
    kept = mixes.MODES["cutmix"].kept(draws, 16, 16)
    changed = (out != np.asarray(X)).any(-1).mean((1, 2))
    np.testing.assert_allclose(changed, 1 - kept, atol=0.01)


def test_the_schedules_bounds_move_lambda_into_floor_to_ceiling():
    keys = jax.random.split(jax.random.key(0), 500)
    lam = jax.vmap(lambda k: mixes.MODES["cutmix"].draw(k, ASK._replace(floor=0.25, ceiling=0.75))["lam"])(keys)
    assert 0.25 <= lam.min() < 0.27
    assert 0.73 < lam.max() <= 0.75


def test_patchmix_replaces_the_floor_of_lambda_times_16_cells():
    x = X[:, :16]
    for key in range(5):
        out, draws = mixed("patchmix", key=key)
        changed = (out != np.asarray(x)).any(-1)[:, ::4, ::4].sum((1, 2))
        assert (changed == int(16 * draws["lam"])).all()


def test_manifold_mixups_lambda_is_beta_2_2_and_its_depth_one_of_three():
    draws = jax.vmap(lambda k: mixes.MODES["manifold_mixup"].draw(k, ASK))(jax.random.split(jax.random.key(0), 4000))
    np.testing.assert_allclose([draws["lam"].mean(), draws["lam"].var()], [0.5, 0.05], atol=0.01)
    assert set(np.unique(draws["depth"])) == {0, 1, 2}


def test_autoaugment_quantises_by_rounding():
    eight = mixes.uint8(X, LOOK)
    np.testing.assert_allclose((eight / 255 - np.array(LOOK.mean)) / np.array(LOOK.std), X, atol=1e-5)
