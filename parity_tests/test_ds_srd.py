"""The pure pieces of DS-SRD against numbers of the original PyTorch code (golden/ds_srd), in float64."""
import os
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kdjax import losses
from kdjax.data import autoaugment, mixing, picking
from kdjax.methods.memories import clustering, prototypes
from kdjax.step import schedules
from parity_tests import ds_srd_steps, golden_data


def golden(name: str) -> dict:
    folder = os.environ.get("KDJAX_GOLDEN_PIECES") or golden_data.LOCAL / "ds_srd"  # see pieces.py
    return golden_data.read(pathlib.Path(folder) / f"{name}.npz")


def nhwc(x) -> np.ndarray:
    return np.moveaxis(x, -3, -1)


def close(got, want, tolerance=1e-9):
    want = np.asarray(want, np.float64)
    assert np.shape(got) == want.shape
    scale = max(np.abs(want).max(initial=0), 1e-3)
    np.testing.assert_allclose(got, want, rtol=0, atol=tolerance * scale)


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize("kind", ["flip", "crop", "crop+flip"])
def test_flip_and_crop_are_the_originals_without_their_8_bit_rounding(kind):
    z = golden("mixing")
    mean, std = np.array(z["meta"]["mean"]), np.array(z["meta"]["std"])
    normal = lambda u: (nhwc(u) / 255 - mean) / std
    for i, coin in enumerate(z[f"{kind}.coin"]):
        x = normal(z["u8.x"])
        if kind != "flip":
            x = mixing.crop(x, *z[f"{kind}.offset"][i], pad=4, fill=-mean / std)
        close(mixing.flip(x) if coin else x, normal(z[f"{kind}.u8"][i]))


@pytest.mark.parametrize("side", [8, 16])
def test_cutout_covers_the_originals_box(side):
    z = golden("mixing")
    boxes = mixing.cutout_box(z[f"cutout{side}.center"], 16, 16, side)
    np.testing.assert_array_equal(boxes, z[f"cutout{side}.box"])
    for box, want in zip(boxes, z[f"cutout{side}.out"]):
        close(mixing.cutout(nhwc(z["x"]), box), nhwc(want))


@pytest.mark.parametrize("j", range(8))
def test_cutmix_and_its_corrected_lambda_are_the_originals(j):
    z = golden("mixing")
    p, x = f"cutmix{j}.", nhwc(z[z["meta"]["cutmix_input"][j]])
    box = mixing.cutmix_box(float(z[p + "lam"]), z[p + "center"], *x.shape[1:3])
    np.testing.assert_array_equal(box, z[p + "box"])
    kept = mixing.kept_area(box, *x.shape[1:3])
    close(kept, z[p + "kept"])
    close(mixing.cutmix(x, z[p + "perm"], box), nhwc(z[p + "out"]))
    for key, values in (("targets", np.eye(z["meta"]["num_classes"])[z["labels"]]), ("logits_t", z["logits_t"])):
        close(mixing.mixup(values, z[p + "perm"], kept), z[p + key])


def test_mixup_patchmix_and_masking_are_the_originals():
    z = golden("mixing")
    x = nhwc(z["x"])
    for j in range(3):
        close(mixing.mixup(x, z[f"mixup{j}.perm"], float(z[f"mixup{j}.lam"])), nhwc(z[f"mixup{j}.out"]))
        close(mixing.patchmix(x, z[f"patchmix{j}.perm"], z[f"patchmix{j}.cells"]), nhwc(z[f"patchmix{j}.out"]))
    close(mixing.masking(nhwc(z["masking.x"]), (z["masking.order"] >= 8).reshape(4, 4)), nhwc(z["masking.out"]))
    close(mixing.same(x), nhwc(z["same.out"]))
    got = [bool(mixing.is_derangement(perm)) for perm in z["derangement.perms"]]
    assert got == z["derangement.accepted"].astype(bool).tolist()


@pytest.mark.parametrize("policy", ["cifar10", "imagenet"])
def test_every_sub_policy_of_autoaugment_is_torchvision_0_10s(policy):
    z = golden("autoaugment")
    image = nhwc(z["x"][1:2] if policy == "cifar10" else z["x"][:1])
    apply = jax.jit(lambda index, sign: autoaugment.apply(image, policy, index, np.zeros(2), sign))
    for index, sign, want in zip(z[f"{policy}.policy"], z[f"{policy}.sign"], z[f"{policy}.out"]):
        off = np.abs(np.asarray(apply(index, sign), int)[0] - nhwc(want))
        assert (off > 2).mean() <= 0.02, index
        assert off.mean() <= 0.3, index


def test_every_operation_of_autoaugment_is_within_one_level_of_torch():
    z = golden("autoaugment")
    magnitudes, x = z["meta"]["magnitudes"], nhwc(z["x"][:1])
    for (name, level, sign), want in zip(z["meta"]["ops"], z["ops.tensor"]):
        magnitude = 0.0 if level is None else magnitudes[name][level] * (1 if sign else -1)
        got = autoaugment.OPERATIONS[name](x, jnp.asarray(magnitude, jnp.float32))
        assert np.abs(np.asarray(got, int)[0] - nhwc(want)).max() <= 1, name


def test_autoaugments_operations_happen_where_the_draw_is_at_most_the_probability():
    z = golden("autoaugment")
    for draws, want in zip(z["coins.draws"], z["coins.out"]):
        got = autoaugment.apply(nhwc(z["x"]), "cifar10", z["meta"]["coins_policy"], draws, np.ones(2, int))
        assert (np.abs(np.asarray(got, int) - nhwc(want)) > 2).mean() <= 0.02


@pytest.mark.parametrize("criterion", picking.CRITERIA)
def test_picking_scores_and_rows_are_the_originals_and_never_a_nan(criterion):
    z = golden("picking")
    for j, case in enumerate(z["meta"]["cases"]):
        p = f"c{j}.{criterion}"
        logits = {key: z[f"c{j}.{key}"] for key in ("logits_s", "logits_t", "logits_t_ref")}
        scores = picking.scores(criterion, **logits, temperature=z["meta"]["temperature"])
        close(scores, z[p])
        rows, must = set(np.asarray(picking.top(scores, case["n_pick"])).tolist()), set(z[p + ".must"].tolist())
        assert must <= rows <= must | set(z[p + ".may"].tolist())
        assert len(rows) == z[p + ".count"]


@pytest.mark.parametrize("criterion", picking.CRITERIA)
def test_a_pool_of_cutmixes_is_made_scored_and_picked_as_in_the_original(criterion):
    z = golden("picking")
    x, runs, classes = nhwc(z["pool.x"]), range(z["meta"]["pool"]["runs"]), z["meta"]["pool"]["num_classes"]
    boxes = [mixing.cutmix_box(float(z["pool.lam"][r]), z["pool.center"][r], 8, 8) for r in runs]
    pool = np.concatenate([mixing.cutmix(x, z["pool.perm"][r], boxes[r]) for r in runs])
    close(pool, nhwc(z["pool.images"]))
    logits = lambda w, images: np.moveaxis(images, -1, 1).reshape(len(images), -1) @ z[w].T
    scores = picking.scores(criterion, logits_s=logits("pool.w_s", pool), logits_t=logits("pool.w_t", pool),
                            logits_t_ref=logits("pool.w_t", x), temperature=z["meta"]["temperature"])
    close(scores, z[f"pool.{criterion}.scores"])
    picked = picking.top(scores, z["meta"]["pool"]["n_pick"])
    np.testing.assert_array_equal(picked, z[f"pool.{criterion}.picked"])
    mix = lambda v: np.concatenate([mixing.mixup(v, z["pool.perm"][r], mixing.kept_area(boxes[r], 8, 8)) for r in runs])
    for key, values in (("targets", np.eye(classes)[z["pool.labels"]]), ("logits_t", logits("pool.w_t", x))):
        close(mix(values)[picked], z[f"pool.{criterion}.{key}"])


@pytest.mark.parametrize("j", range(5))
def test_the_prototype_relation_and_its_gradients_are_the_originals(j):
    z = golden("prototypes")
    p = f"loss{j}."
    value, grads = ds_srd_steps.relation(z, j, z["meta"]["loss_cases"][j]["detach_ref"])
    close(value, z[p + "loss"])
    close(grads[0], z[p + "grad_u_s"], 1e-8)
    close(grads[1], z[p + "grad_u_ref"], 1e-8)


@pytest.mark.parametrize("j", range(3))
def test_densities_are_the_originals_float32_ones(j):
    z = golden("prototypes")
    case = z["meta"]["density_cases"][j]
    got = losses.prsd_density(z[f"density{j}.sq_dist"], z[f"density{j}.assign"], case["k"],
                              temperature=case["temperature"])
    close(got, z[f"density{j}.density"], 1e-6)
    close(losses.l2_normalize(jnp.asarray(z[f"density{j}.raw_centroids"])), z[f"density{j}.centroids"], 1e-6)


def test_halving_is_the_originals():
    z = golden("prototypes")
    close(prototypes.halved(jnp.asarray(z["halving.features"])), z["halving.out"])


def test_lloyd_from_given_starts_ends_where_the_reference_does():
    z = golden("prototypes")
    x, best = z["kmeans.features"], int(z["kmeans.best"])
    for r, ids in enumerate(z["kmeans.init_ids"]):
        centroids, assign, sq_dist = clustering.lloyd(x, x[ids], num_iters=20)
        close(jnp.sum(sq_dist), z["kmeans.inertia"][r])
        if r == best:
            close(centroids[assign], z["kmeans.raw_centroids"][z["kmeans.assign"]])
            close(sq_dist, z["kmeans.sq_dist"])


def test_clusters_of_given_features_are_the_optimum_that_faiss_finds_too():
    """k-means++ finds the five separated clusters; numbering is arbitrary."""
    z = golden("prototypes")
    memory = prototypes.cluster(z["kmeans.raw"], [5], jax.random.key(0))
    own = memory["assign_0"]
    close(memory["centroids_0"][own], z["kmeans.centroids"][z["kmeans.assign"]])
    close(memory["density_0"][own], z["kmeans.density"][z["kmeans.assign"]], 1e-6)


@pytest.mark.parametrize("j", range(3))
def test_the_learning_rate_of_the_double_student_is_the_original_or_its_fix(j):
    z = golden("schedules")
    c = z["meta"]["ds"][j]
    steps = np.arange(len(z[f"ds{j}.lr"]))
    for key, one_based in (("lr", False), ("lr_original", True)):
        args = dict(base=c["base"], epochs=c["epochs"], steps_per_epoch=c["steps_per_epoch"], one_based=one_based)
        got = schedules.warmup_cosine(jnp.asarray(steps), warmup_epochs=c["warm_epochs"], **args)
        close(got, z[f"ds{j}.{key}"])
        cosine = schedules.warmup_cosine(jnp.asarray(steps[::c["steps_per_epoch"]]), warmup_epochs=0, **args)
        close(cosine, z[f"ds{j}.{key.replace('lr', 'cosine')}"])


def test_ratio_schedules_are_the_originals_from_their_first_key_on():
    z = golden("schedules")
    for j, text in enumerate(z["meta"]["ratio"]):
        at, defined = schedules.ratio(text), z[f"ratio{j}.defined"].astype(bool)
        got = np.array([at(epoch) for epoch in z[f"ratio{j}.epochs"]])
        close(got[defined], z[f"ratio{j}.original"][defined])
        assert np.isnan(got[~defined]).all()
