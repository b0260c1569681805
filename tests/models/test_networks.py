"""What callers of a Network may rely on: names, shapes, modes, pure functions, and errors that help."""
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kdjax import models
from kdjax.errors import UserError
from kdjax.models.macs import network_macs

TABLE = {       # spec/models.md, table 1a: parameters and multiply-accumulates at 100 classes
    "resnet8": (83_892, 12_507_392), "resnet20": (278_324, 40_818_944), "resnet8x4": (1_233_540, 177_071_104),
    "resnet14x2": (703_732, 101_118_464), "wrn_16_1": (180_916, 26_663_168), "wrn_40_2": (2_255_156, 327_610_880),
    "wrn_22_3": (2_439_156, 350_423_808), "vgg8": (3_965_028, 96_192_512), "vgg13_3neurons": (9_412_819, 284_886_828),
    "ResNet18": (11_220_132, 555_468_800), "ResNet50": (23_705_252, 1_298_014_208), "MobileNetV2": (812_836, 6_523_648),
    "MobileNetV2_0_25": (364_492, 2_143_104), "MobileNetV2_1_0": (2_353_060, 22_381_056),
    "ShuffleV1": (949_258, 38_691_456), "ShuffleV2": (1_355_528, 44_504_448), "ShuffleV2_1_5": (2_580_548, 93_762_048),
}


@pytest.mark.parametrize("name", TABLE)
def test_parameters_and_macs_equal_the_originals(name):
    net = models.build(name, num_classes=100)
    assert (net.num_params, network_macs(net)) == TABLE[name]


@pytest.fixture(scope="module")
def wrn():
    net = models.build("wrn_10_1", num_classes=10, image_size=8)
    return net, net.init(jax.random.key(0)), jax.random.normal(jax.random.key(1), (4, 8, 8, 3))


def test_feature_shapes_are_those_of_the_output(wrn):
    net, variables, images = wrn
    out, _ = jax.eval_shape(net.apply, variables, images)
    assert jax.tree.map(lambda x: x.shape[1:], out.features) == net.feature_shapes
    assert net.feature_shapes.maps == net.feature_shapes.preact == ((8, 8, 16), (8, 8, 16), (4, 4, 32), (2, 2, 64))
    assert (net.feature_shapes.embedding, net.feature_shapes.pre_pool) == ((64,), (2, 2, 64))
    assert out.logits.shape == (4, 10)


def test_init_gives_plain_dicts_of_float32_arrays_and_follows_its_key(wrn):
    net, variables, _ = wrn
    assert jax.tree.structure(variables) == jax.tree.structure(net.abstract)
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype("float32")}
    again, other = net.init(jax.random.key(0)), net.init(jax.random.key(1))
    same = lambda a, b: all(np.array_equal(x, y) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b)))
    assert same(variables, again)
    assert not same(variables, other)


def test_apply_is_pure_and_keeps_the_structure_of_the_statistics(wrn):
    net, variables, images = wrn
    before = jax.tree.map(np.array, variables)
    _, stats = jax.jit(lambda v, x: net.apply(v, x, train=True))(variables, images)
    assert jax.tree.structure(stats) == jax.tree.structure(variables["batch_stats"])
    assert all(np.array_equal(a, b) for a, b in zip(jax.tree.leaves(before), jax.tree.leaves(variables)))


def test_trunk_mode_trains_the_batch_norms_of_the_trunk_only(wrn):
    net, variables, images = wrn
    _, stats = jax.jit(lambda v, x: net.apply(v, x, train="trunk"))(variables, images)
    moved = lambda a, b: any(bool(jnp.any(x != y)) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b)))
    old = variables["batch_stats"]
    assert net.trunk == ("conv1", "block1", "block2", "block3")
    assert all(moved(old[name], stats[name]) for name in ("block1", "block2", "block3"))
    assert not moved(old["bn1"], stats["bn1"])


def test_an_unknown_mode_is_refused(wrn):
    net, variables, images = wrn
    with pytest.raises(ValueError, match="train must be"):
        net.apply(variables, images, train="body")


def test_virtual_replicas_see_their_own_batch_statistics(wrn):
    net, variables, images = wrn
    split = images.reshape(2, 2, *images.shape[1:])
    train = lambda x: net.apply(variables, x, train=True)
    (out, stats), (alone, alone_stats) = jax.jit(lambda x: (jax.vmap(train)(x), train(x[1])))(split)
    np.testing.assert_allclose(out.logits[1], alone.logits, atol=1e-5)
    for a, b in zip(jax.tree.leaves(stats), jax.tree.leaves(alone_stats)):
        np.testing.assert_allclose(a[1], b, atol=1e-5)


def test_classify_is_the_head_of_the_network(wrn):
    net, variables, images = wrn
    out, _ = jax.jit(net.apply)(variables, images)
    np.testing.assert_allclose(net.classify(variables, out.features.embedding), out.logits, atol=1e-6)


def test_unused_features_cost_nothing_under_jit(wrn):
    net, variables, images = wrn

    def flops(pick):
        compiled = jax.jit(lambda v, x: pick(net.apply(v, x)[0])).lower(variables, images).compile()
        return compiled.cost_analysis()["flops"]
    assert flops(lambda out: out.features.maps[1]) < 0.6 * flops(lambda out: out.logits)


def test_bfloat16_images_compute_in_bfloat16(wrn):
    net, variables, images = wrn
    out, stats = jax.eval_shape(lambda v, x: net.apply(v, x, train=True), variables, images.astype(jnp.bfloat16))
    assert out.logits.dtype == jnp.bfloat16
    assert {leaf.dtype for leaf in jax.tree.leaves(stats)} == {jnp.dtype("float32")}


def test_leaf_paths_follow_the_order_of_torchs_state_dict():
    net = models.build("resnet8", num_classes=10)
    assert [".".join(path) for path, _ in net.leaf_paths[:6]] == [
        "conv1.kernel", "bn1.scale", "bn1.bias", "bn1.mean", "bn1.var", "layer1.0.conv1.kernel"]
    assert net.leaf_paths[-1] == (("fc", "bias"), "linear")
    shortcut = [kind for path, kind in net.leaf_paths if path[0] == "layer2" and path[2] == "downsample"]
    assert shortcut == ["conv", "bn", "bn", "bn", "bn"]
    assert len(net.leaf_paths) == len(jax.tree.leaves(net.abstract))


@pytest.mark.parametrize(("name", "size", "heights"), [
    ("vgg8", 64, (64, 32, 16, 8, 4)), ("vgg8", 48, (48, 24, 12, 6, 6)), ("vgg8", 32, (32, 16, 8, 4, 4)),
    ("resnet8", 64, (64, 64, 32, 16)), ("MobileNetV2", 64, (32, 32, 16, 8, 4)), ("ShuffleV2", 64, (64, 32, 16, 8))])
def test_other_image_sizes_scale_the_maps(name, size, heights):
    net = models.build(name, num_classes=200, image_size=size)
    assert tuple(shape[0] for shape in net.feature_shapes.maps) == heights


@pytest.mark.parametrize(("name", "hint"), [
    ("wrn_40_2x", "wrn_40_2"), ("resnet9", "resnet8"), ("resnet18", "ResNet18"), ("wrn_17_2", "wrn_16_2"),
    ("vgg9", "vgg8"), ("MobilNetV2", "MobileNetV2"), ("xyz", "package.module:Class")])
def test_a_wrong_name_is_answered_with_near_ones(name, hint):
    with pytest.raises(UserError, match=hint):
        models.build(name, num_classes=10)


@pytest.mark.parametrize("bad", [{"num_classes": 0}, {"num_classes": 10, "image_size": 4}])
def test_impossible_numbers_are_refused(bad):
    with pytest.raises(UserError, match="at least"):
        models.build("resnet8", **bad)


def test_images_of_another_size_are_refused(wrn):
    net, variables, _ = wrn
    with pytest.raises(UserError, match="image_size"):
        net.apply(variables, jnp.ones((1, 16, 16, 3)))


def test_loading_from_nowhere_is_refused(tmp_path):
    with pytest.raises(UserError, match="nothing-here"):
        models.load(tmp_path / "nothing-here")
