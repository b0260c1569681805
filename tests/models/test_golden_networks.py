"""The networks against numbers of the original PyTorch ones: logits, features, running statistics, gradients."""
import pathlib
import re
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import model_golden as golden

from kdjax import models

FAST = ["resnet8", "wrn_16_1", "vgg8__48"]
SLOW = ["resnet8x4", "resnet56", "wrn_16_2", "ResNet18", "ResNet50", "vgg8", "vgg8_3neurons", "vgg8__64", "MobileNetV2",
        "MobileNetV2_0_25", "MobileNetV2__64", "ShuffleV1", "ShuffleV2", "ShuffleV2_0_3", "ickd_MobileNetV2",
        "ickd_ShuffleV2", "ickd_wrn_16_2", "imix_resnet18h", "imix_resnet18_1ch", "imix_resnet18_largestem",
        "imix_resnet18_mlpbn1", "ssl_resnet18"]
NAMES = [*FAST, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)]


def load(name, dtype):
    file = golden.Golden(name)
    model = re.sub(r"(__\d+|_c10)$", "", name.removeprefix("ickd_"))
    net = models.build(model, num_classes=file.meta["num_classes"], image_size=file.meta["input_shape"][-1])
    return net, file.variables(net, dtype), file.images(dtype), file


def relative(got, want):
    return np.abs(np.asarray(got) - want).max() / np.sqrt(np.square(want).mean())


def train_step(net, variables, images):
    """Loss of the golden files, its gradients, and the new statistics."""
    def loss(params):
        out, stats = net.apply({**variables, "params": params}, images, train=True)
        return jnp.square(out.logits).sum() / len(images), (out.logits, stats)
    return jax.jit(jax.value_and_grad(loss, has_aux=True))(variables["params"])


def check_features(features, data, tag, shapes):
    """Shapes, and the first 64 values in torch's order."""
    for i, (feature, shape) in enumerate(zip(features, shapes, strict=True)):
        nchw = np.moveaxis(np.asarray(feature), -1, 1)
        assert nchw.shape == tuple(shape)
        got, want = nchw.reshape(-1)[:64], data[f"{tag}_first64"][i]
        np.testing.assert_allclose(got, want[~np.isnan(want)], rtol=0, atol=1e-9 * max(nchw.std(), 1e-3))


@pytest.mark.parametrize("name", NAMES)
def test_evaluation_equals_torch_in_float64(name):
    with jax.enable_x64(True):
        net, variables, images, file = load(name, jnp.float64)
        out, stats = jax.jit(net.apply)(variables, images)
    assert relative(out.logits, file.data["eval_logits_f64"]) < 1e-9
    assert all(np.array_equal(a, b) for a, b in zip(jax.tree.leaves(stats), jax.tree.leaves(variables["batch_stats"])))
    features, meta = out.features, file.meta
    if name.startswith("ickd_"):        # these lists end with (..., the pooled map, the vector)
        shapes, first = meta["feat_shapes"], file.data["feat_first64"]
        check_features([features.pre_pool], {"feat_first64": first[-2:-1]}, "feat", shapes[-2:-1])
    else:
        check_features([*features.maps, features.embedding], file.data, "feat", meta["feat_shapes"])
        if "preact_first64" in file.data:
            check_features([*features.preact, features.embedding], file.data, "preact", meta["preact_feat_shapes"])


@pytest.mark.parametrize("name", NAMES)
def test_training_equals_torch_in_float64(name):
    with jax.enable_x64(True):
        net, variables, images, file = load(name, jnp.float64)
        (_, (logits, stats)), grads = train_step(net, variables, images)
    assert relative(logits, file.data["train_logits_f64"]) < 1e-9
    twice = file.meta["bn_updated_twice_in_train"]  # by the original, in one step; kdjax does once
    for which in (w for w in ("bn_first", "bn_last") if file.meta[w] not in twice):
        for leaf, torch in (("mean", "mean"), ("var", "var")):
            path, _ = golden.find(net, f"{file.meta[which]}.running_{torch}")
            np.testing.assert_allclose(golden.leaf(stats, (*path[:-1], leaf)),
                                       file.data[f"{which}_running_{torch}_f64"], atol=1e-9)
    for key, want in zip(file.meta["grad_params"], file.data["train_grad_norm_f64"]):
        path, _ = golden.find(net, key)
        np.testing.assert_allclose(np.linalg.norm(np.asarray(golden.leaf(grads, path)).ravel()), want, rtol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_float32_stays_within_the_tolerances_of_the_golden_readme(name):
    net, variables, images, file = load(name, jnp.float32)
    with jax.default_matmul_precision("highest"):
        out, _ = jax.jit(net.apply)(variables, images)
        trained, _ = jax.jit(lambda v, x: net.apply(v, x, train=True))(variables, images)
    assert out.logits.dtype == jnp.float32
    assert relative(out.logits, file.data["eval_logits_f64"]) < 2e-5
    limit = 1e-3 if "ResNet50" in name else 2e-4
    assert relative(trained.logits, file.data["train_logits_f64"]) < limit
