"""i-Mix and InputMix: the originals' numbers for given draws, and the draws themselves."""
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kdjax.data import imix
from tests.selfsup_golden import close, load


def nhwc(x):
    return jnp.asarray(np.moveaxis(x, -3, -1))


@pytest.mark.parametrize("kind", ["f64", "f32"])
def test_every_operator_equals_the_original(kind):
    data, _ = load("mixing")
    with jax.enable_x64(kind == "f64"):
        wide = lambda name: jnp.asarray(data[f"in.{name}"].astype(kind.replace("f", "float")))
        x = nhwc(data["in.x"].astype(kind.replace("f", "float")))
        out, lam = imix.imixup(x, data["in.mixup.perm"], wide("mixup.lam_raw"))
        close(out, nhwc(data[f"{kind}.mixup.out"]), kind)
        close(lam, data[f"{kind}.mixup.lam"], kind)
        for i, (raw, perm, centre) in enumerate(zip(wide("cutmix.lam_raw"), data["in.cutmix.perm"],
                                                    data["in.cutmix.center"])):
            out, lam = imix.icutmix(x, perm, raw, jnp.asarray(centre))
            close(out, nhwc(data[f"{kind}.cutmix.out"][i]), kind)
            close(lam, np.full(len(x), data[f"{kind}.cutmix.lam"][i]), kind)
            box = imix.cut_box(imix.at_least_half(raw), jnp.asarray(centre), x.shape[1:3])
            np.testing.assert_array_equal(box, data[f"{kind}.cutmix.bbox"][i])
        pair = imix.inputmix_pair(x, data["in.inputmix1.perm"], wide("inputmix1.lam_raw"))
        close(pair, nhwc(data[f"{kind}.inputmix1.out"]), kind)
        several = imix.inputmix(x, data["in.inputmix2.perms"], wide("inputmix2.dirichlet"))
        close(several, nhwc(data[f"{kind}.inputmix2.out"]), kind)


def test_draws_are_permutations_weights_and_places_inside():
    key = jax.random.key(0)
    mixup, cut = imix.draw_imixup(key, 64), imix.draw_icutmix(key, 64, (5, 7))
    given = imix.draw_inputmix(key, 64, 2)
    for partner in (mixup["partner"], cut["partner"], *given["partners"]):
        assert sorted(partner.tolist()) == list(range(64))
    assert abs(float(mixup["lam_raw"].mean()) - 0.5) < 0.15 and cut["lam_raw"].shape == ()
    assert (cut["centre"] >= 0).all() and (cut["centre"] < jnp.asarray([5, 7])).all()
    np.testing.assert_allclose(given["weights"].sum(1), 1, rtol=1e-5)


def test_tables_mix_like_images():
    x, lam = jnp.arange(6.0).reshape(3, 2), jnp.asarray([0.2, 0.5, 1.0])
    out, weight = imix.imixup(x, jnp.asarray([1, 2, 0]), lam)
    np.testing.assert_allclose(weight, [0.8, 0.5, 1.0], rtol=1e-6)
    np.testing.assert_allclose(out, [[0.4, 1.4], [3, 4], [4, 5]], rtol=1e-5)
