"""What is particular to the methods of 2019 to 2025: warm-ups, options, class means, margins, a head without bias."""
import pathlib
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import fakes

from kdjax import losses, methods, models
from kdjax.config import default
from kdjax.errors import UserError
from kdjax.methods import METHODS, taps
from kdjax.methods.kdpp import class_means
from kdjax.step.context import Batch
from kdjax.step.objective import look
from kdjax.step.state import TrainState
from kdjax.tasks.distil import Distil

SMALL, SAME, OTHER = fakes.SMALL, fakes.SAME, fakes.OTHER


def build(name, student=SMALL, teacher=SAME, **options):
    return METHODS[name](student, teacher, fakes.config(**options))


def terms(method, epoch=1.0, memory=None):
    outs = fakes.output(method.student, 0), fakes.output(method.teacher, 1)
    when = epoch if epoch is None else jnp.float32(epoch)
    ctx = fakes.context(method, fakes.variables(method), *outs, {"epoch": when})
    return method.loss(ctx, memory or {})[0]


@pytest.mark.parametrize("name", ["reviewkd", "sdd", "rld", "dkd"])
def test_a_warm_up_grows_linearly_from_the_first_epoch_to_the_whole(name):
    whole, grown = build(name, **{name: {"warmup_epochs": 0}}), build(name, **{name: {"warmup_epochs": 4}})
    want = terms(whole)[name]
    got = [terms(grown, epoch)[name] for epoch in (1, 4, 9, None)]
    np.testing.assert_allclose(got, [want / 4, want, want, want], rtol=1e-5)


def test_kdpps_kl_grows_from_nothing_and_its_other_term_does_not():
    method, memory = build("kdpp", kdpp={"warmup_epochs": 4}), {"centers": jnp.ones((fakes.CLASSES, 6))}
    first, third = terms(method, 1, memory), terms(method, 3, memory)
    assert first["kd"] == 0 and third["kd"] > 0 and first["nd"] == third["nd"] > 0
    assert method.term_weights == {"kd": 1.0, "nd": 2.0}


def test_kdpp_projects_where_the_widths_differ_and_drops_half_by_its_draws():
    assert build("kdpp").adapters == {} and build("kdpp").draw(jax.random.key(0), fakes.batch()) == {}
    method = build("kdpp", SMALL, OTHER)
    keep = method.draw(jax.random.key(0), fakes.batch())["keep"]
    assert set(method.adapters) == {"projector"}
    assert keep.shape == (fakes.B, 6) and 0.2 < keep.mean() < 0.8


class FakeLook:
    def __init__(self, rows, labels, epoch=1):
        self.rows, self.given, self.epoch = rows, labels, epoch

    def features(self, net, tap):
        assert (net, tap) == ("teacher", "embedding")
        return self.rows

    def labels(self):
        return self.given


def test_kdpp_takes_the_class_means_once_before_the_first_epoch_to_four_decimals():
    rows = np.array([[1.0, 2.0], [3.0, 4.0], [0.00004, 1 / 3]], np.float32)
    look_ = FakeLook(rows, np.array([2, 2, 0]))
    np.testing.assert_allclose(class_means(look_, 4), [[0, 0.3333], [0, 0], [2, 3], [0, 0]], atol=1e-7)
    method, before = build("kdpp"), {"centers": jnp.zeros((fakes.CLASSES, 6))}
    rows = np.ones((fakes.N, 6), np.float32)
    assert (method.at_epoch(FakeLook(rows, np.asarray(fakes.labels())), before)["centers"] == 1).all()
    assert method.at_epoch(FakeLook(rows, None, epoch=2), before) is before


def test_standardising_is_an_option_of_the_logit_methods():
    s, t = fakes.output(SMALL, 0).logits, fakes.output(SAME, 1).logits
    z_s, z_t, labels = losses.standardize_logits(s), losses.standardize_logits(t), fakes.batch().labels
    np.testing.assert_allclose(terms(build("lskd"))["lskd"], losses.kl_divergence(z_s, z_t, temperature=2.0), rtol=1e-5)
    dkd = build("dkd", dkd={"standardize": True, "warmup_epochs": 0})
    np.testing.assert_allclose(terms(dkd)["dkd"], losses.dkd(z_s, z_t, labels), rtol=1e-5)
    rld = build("rld", rld={"standardize": True, "same_t": True, "warmup_epochs": 0})
    np.testing.assert_allclose(terms(rld)["rld"], losses.rld(z_s, z_t, labels, alpha_temperature=4.0), rtol=1e-5)
    plain, changed = (terms(build("mlkd", mlkd={"standardize": on})) for on in (False, True))
    assert plain["kd"] != changed["kd"] and plain["cc"] == changed["cc"]


def test_ctkd_learns_the_temperature_of_kl_or_dkd_and_counts_no_epochs_as_the_end():
    s, t = fakes.output(SMALL, 0).logits, fakes.output(SAME, 1).logits
    at = losses.ctkd_temperature(jnp.ones(()), 0.0)
    np.testing.assert_allclose(terms(build("ctkd"))["ctkd"], losses.kl_divergence(s, t, temperature=at), rtol=1e-5)
    dkd = losses.dkd(s, t, fakes.batch().labels, temperature=at)
    np.testing.assert_allclose(terms(build("ctkd", ctkd={"loss": "dkd"}))["ctkd"], dkd, rtol=1e-5)
    scale = lambda epoch: build("ctkd").scale(type("Ctx", (), {"epoch": epoch}))
    np.testing.assert_allclose([scale(None), scale(jnp.float32(5)), scale(jnp.float32(99))], [-1, -0.5, -1], atol=1e-6)


def test_mlkd_asks_for_the_strong_view_whose_labels_weigh_as_the_weak_ones():
    config = fakes.config()
    config.loss.update({"gamma": 0.1, "beta": 0.9})
    method = METHODS["mlkd"](SMALL, SAME, config)
    assert method.views == ("randaugment",)
    np.testing.assert_allclose(0.9 * method.term_weights["strong_ce"], 0.1)
    strong = fakes.seen_again(fakes.output(SMALL, 0)).logits
    want = -jnp.mean(jax.nn.log_softmax(strong)[jnp.arange(fakes.B), fakes.batch().labels])
    np.testing.assert_allclose(terms(method)["strong_ce"], want, rtol=1e-5)


def test_levels_of_unequal_many_stages_meet_at_their_ends():
    maps = (*SMALL.feature_shapes.maps, (2, 2, 8))
    deeper = fakes.network("deep_t", maps, 8)._replace(preact_norms=(("norms", "0"), ("norms", "1"), ("norms", "2")))
    for name in ("ofd", "reviewkd"):
        assert np.isfinite(terms(build(name, SMALL, deeper))[name])
    assert build("ofd", SMALL, deeper).norms == (("norms", "1"), ("norms", "2"))


def test_ofd_refuses_a_teacher_without_batch_norms_before_its_relus():
    with pytest.raises(UserError, match="vgg_t.*preact_norms"):
        build("ofd", SMALL, OTHER._replace(preact_norms=()))


@pytest.mark.parametrize("name", ["resnet20", "resnet20a", "wrn_16_1", "vgg8", "MobileNetV2", "ResNet18", "ResNet50"])
def test_a_network_tells_the_batch_norm_behind_every_pre_activation(name):
    net = models.build(name, num_classes=10)
    shapes = net.feature_shapes.preact[1:]
    assert len(net.preact_norms) == len(shapes)
    for path, shape in zip(net.preact_norms, shapes):
        node = net.abstract["params"]
        for word in path:
            node = node[word]
        assert node["scale"].shape == node["bias"].shape == shape[-1:]


def test_shufflenets_tell_none():
    assert models.build("ShuffleV1", num_classes=10).preact_norms == ()


@pytest.mark.parametrize("name", ["resnet8", "vgg8", "MobileNetV2", "ShuffleV2"])
def test_the_classifier_is_found(name):
    net = models.build(name, num_classes=7)
    node = net.abstract["params"]
    for word in taps.classifier(net):
        node = node[word]
    assert node["bias"].shape == (7,)


class Pair:
    """A resnet8 taught by a wrn_10_1, as a run starts them, with CAT-KD."""

    def __init__(self):
        config = default()
        config.method.name = "cat_kd"
        student, teacher = (models.build(n, num_classes=5, image_size=16) for n in ("resnet8", "wrn_10_1"))
        self.method = methods.build(config, student, teacher)["cat_kd"]
        self.task = Distil(config, student, {"teacher": teacher}, {"cat_kd": self.method}, {"cat_kd": 1.0}, {})
        self.drawn = student.init(jax.random.key(0))
        self.params = self.method.start(jax.random.key(2), self.drawn["params"])
        self.frozen = {"teacher": teacher.init(jax.random.key(1))}

    def context(self, params):
        state = TrainState(params={"student": params}, stats={"student": self.drawn["batch_stats"]},
                           adapters={"cat_kd": {}}, memory={"cat_kd": {}})
        images = jax.random.normal(jax.random.key(3), (4, 16, 16, 3))
        return look(self.task, state, self.frozen, Batch({"x": images}))[0].of("cat_kd")


def test_cat_kds_student_starts_with_a_convolutions_kernel_and_without_a_bias_that_is_never_trained():
    pair = Pair()
    fc = pair.params["fc"]
    assert (fc["bias"] == 0).all()
    np.testing.assert_allclose(fc["kernel"].std(), (2 / 5) ** 0.5, rtol=0.1)
    others = [k for k in pair.params if k != "fc"]
    assert all(a is b for k in others for a, b in zip(*map(jax.tree.leaves, (pair.params[k], pair.drawn["params"][k]))))
    assert not pair.task.trains(("student", "fc", "bias")) and pair.task.trains(("student", "fc", "kernel"))


def test_the_mean_of_a_class_activation_map_is_the_logit_and_no_bias_is_in_it():
    pair = Pair()
    ctx = pair.context(pair.params)
    cam = pair.method.cam(ctx.heads("student"), ctx.student.features.pre_pool)
    np.testing.assert_allclose(cam.mean((1, 2)), ctx.student.logits, rtol=1e-4, atol=1e-5)
    biased = pair.context({**pair.params, "fc": {**pair.params["fc"], "bias": jnp.arange(5.0)}})
    again = pair.method.cam(biased.heads("student"), biased.student.features.pre_pool)
    np.testing.assert_allclose(again, cam, atol=1e-5)
