"""What DS-SRD's programs cannot do is said in one sentence when they are built, before anything is trained."""
import types

import jax
import jax.numpy as jnp
import pytest

from kdjax import models
from kdjax.config import default
from kdjax.config.check import check
from kdjax.config.override import override
from kdjax.errors import UserError
from kdjax.tasks import distil, double_student

DATA = types.SimpleNamespace(name="digits", num_classes=10, image_size=16, mean=(0.5,) * 3, std=(0.2,) * 3)


def config(program, **fields):
    """kd of wrn_16_1 into wrn_10_1; fields: dotted names with __ for the dots."""
    made = default()
    made.program, made.method.name, made.data.batch_size = program, "kd", 32
    made.student.name, made.teacher.name = "wrn_10_1", "wrn_16_1"
    for name, value in fields.items():
        override(made, name.replace("__", "."), str(value))
    return made


def built(made, teachers=True):
    if made.program == "double_student":
        return double_student.build(made, DATA, {})
    teacher = models.build(made.teacher.name, num_classes=10, image_size=16)
    return distil.build(made, DATA, {"teacher": teacher} if teachers else {})


@pytest.mark.parametrize(("fields", "says"), [
    ({"mode": "cutmix", "weights": "(1,0)"}, "needs three numbers"),
    ({"mode": "flip", "weights": "(1,1,0)"}, "flip mixes no labels; use cutmix"),
    ({"mode": "DA_pick", "base": "autoaugment", "weights": "(1,1,1)"}, "autoaugment mixes no labels"),
    ({"mode": "patchmix", "fresh_teacher": False}, "needs mixed teacher logits, and patchmix mixes none"),
    ({"mode": "manifold_mixup", "weights": "(1,1,1)"}, "no mixed images to pick or to label"),
    ({"mode": "DA_pick", "base": "manifold_mixup"}, "no mixed images to pick or to label"),
    ({"mode": "cutmix_pick", "runs": 1}, "leaves nothing to pick from; use 2"),
    ({"mode": "cutmix_pick", "runs": 2, "n_pick": 65}, "more than the pool's 2 x 32"),
    ({"mode": "cutmix", "ceiling": "0:0.5,3:2"}, "leaves 0 to 1"),
    ({"mode": "cutmix", "floor": "half"}, "write epoch:value pairs"),
    ({"student_input": "masking", "mask_cells": 5}, "does not divide images of 16"),
])
def test_mixing_that_cannot_be_is_refused(fields, says):
    with pytest.raises(UserError, match=says) as refused:
        built(config("distil", **{f"mix__{name}": value for name, value in fields.items()}))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("fields", [
    {"mode": "cutmix", "weights": "(1,1,1)", "fresh_teacher": False}, {"mode": "manifold_mixup"},
    {"mode": "cutmix_pick", "n_pick": 64, "criterion": "kld"}, {"mode": "cutmix", "ceiling": "0:0.75,150:1"},
    {"student_input": "masking", "mask_cells": 4}])
def test_what_fits_is_built(fields):
    assert built(config("distil", **{f"mix__{name}": value for name, value in fields.items()})).mixer


@pytest.mark.parametrize("field", ["mix__mode", "mix__base", "mix__criterion"])
def test_an_unknown_mode_or_criterion_is_refused_with_those_that_there_are(field):
    made = config("distil")
    made.mix[field.removeprefix("mix__")] = "cutmic"
    with pytest.raises(UserError, match="'cutmic' is not one of .*choose one"):
        check(made)


def test_mixing_without_a_teacher_is_refused():
    with pytest.raises(UserError, match="there is no teacher; choose a method that has one"):
        built(config("distil", method__name="vanilla", mix__mode="cutmix"), teachers=False)


@pytest.mark.parametrize("method", ["proto", "crd"])
def test_a_method_of_a_missing_teacher_is_refused_before_it_looks_at_one(method):
    with pytest.raises(UserError, match=f"method '{method}' needs a teacher"):
        built(config("distil", method__names=method), teachers=False)


def test_more_clusters_than_images_are_refused_when_the_memory_is_made():
    proto = built(config("distil", method__names="proto", method__proto__num_clusters="(20,101)")).methods["proto"]
    with pytest.raises(UserError, match="101 clusters of 100 training images; lower it"):
        proto.init_memory(jax.random.key(0), jnp.zeros(100, jnp.int32))
    assert set(proto.init_memory(jax.random.key(0), jnp.zeros(101, jnp.int32)))


@pytest.mark.parametrize(("fields", "says"), [
    ({"method__proto__num_clusters": "(1,20)"}, "clusterings of 2 or more"),
    ({"student__name": "ShuffleV1"}, "wrn_16_1 into ShuffleV1: the features differ in width; .*tap=logits"),
])
@pytest.mark.parametrize("program", ["distil", "double_student"])
def test_prototypes_that_cannot_be_compared_are_refused(program, fields, says):
    with pytest.raises(UserError, match=says):
        built(config(program, method__names="proto", **fields))


@pytest.mark.parametrize(("fields", "says"), [
    ({"teacher__name": "''"}, "needs the strong student's network; set config.teacher.name"),
    ({"mix__mode": "cutmix"}, "mix.mode='cutmix' has no meaning for the double student"),
    ({"kd__teacher_view": "other"}, "kd.teacher_view='other' has no meaning"),
    ({"loss__kd_kind": "dkd"}, "loss.kd_kind='dkd' has no meaning"),
    ({"method__names": "mlkd"}, "'mlkd' asks for further views or networks .randaugment."),
    ({"method__names": "proto", "method__proto__reference": "ema_student"}, "further views or networks .*ema_student"),
    ({"method__names": "ab"}, "teacher has learnt nothing by then"),
    ({"method__names": "fsp", "student__name": "resnet8", "teacher__name": "wrn_10_2"}, "same channels at every stage"),
])
def test_what_the_double_student_cannot_serve_is_refused(fields, says):
    made = config("double_student", **fields)
    if fields.get("teacher__name") == "''":
        made.teacher.name = ""
    with pytest.raises(UserError, match=says):
        built(made)


@pytest.mark.parametrize(("kind", "weights"), [("kl", {"ce": 1, "kl": 2}), ("dkd", {"ce": 1, "dkd": 2})])
def test_dkd_takes_the_kl_divergences_place_and_its_weight(kind, weights):
    task = built(config("distil", loss__kd_kind=kind, loss__alpha=2, loss__beta=5))
    out = types.SimpleNamespace(logits=jnp.ones((4, 10)))
    ctx = types.SimpleNamespace(student=out, teacher=out, labels=jnp.arange(4), epoch=jnp.float32(1))
    ctx.of = lambda name: ctx
    terms, found, _ = task.terms(ctx, {name: {} for name in task.methods})
    assert found == weights
    assert set(terms) == set(weights)
