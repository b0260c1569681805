"""kdjax.models against the torch reference: logits, features, every gradient, running statistics; equal weights.

The weights travel as a torch state dict through kdjax.weights.torch, gradients and statistics travel back the
same way, so names and layouts are part of what is compared.
"""
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from kdjax import models
from kdjax.weights.torch.checkpoint import from_state_dict, to_state_dict
from parity_tests import golden_data
from parity_tests.ahead import Ahead
from parity_tests.bridge import nchw, nhwc
from parity_tests.reference import networks
from parity_tests.tolerances import check

FAST = ["resnet8", "resnet8x4", "resnet14x2", "resnet20a", "wrn_10_2", "wrn_16_1", "vgg8", "vgg8_3neurons"]
SLOW = ["resnet20", "wrn_16_2", "vgg13", "MobileNetV2", "MobileNetV2_0_25", "ShuffleV1", "ShuffleV2", "ShuffleV2_0_3",
        "ResNet18", "ResNet50"]
NAMES = [*FAST, *(pytest.param(n, marks=pytest.mark.slow) for n in SLOW)]
CLASSES = 10


class Pair:
    """One network twice, with the same weights, and a batch of images (NCHW)."""

    def __init__(self, name, batch=4, size=32):
        self.theirs = networks.build(name, num_classes=CLASSES)
        shapes = {key: tuple(value.shape) for key, value in self.theirs.state_dict().items()}
        self.weights = golden_data.state_dict(shapes, "parity:", gain=0.9)
        self.theirs.load_state_dict({k: torch.from_numpy(v) for k, v in self.weights.items()})
        self.ours = models.build(name, num_classes=CLASSES, image_size=size)
        variables = from_state_dict(self.ours, self.weights)
        self.variables = jax.tree.map(lambda x: jnp.asarray(x, jnp.float64), variables)
        self.images = np.random.default_rng(7).standard_normal((batch, 3, size, size))

    def forward(self, train, dtype=np.float64):
        apply = jax.jit(lambda v, x: self.ours.apply(v, x, train=train))
        return apply(self.variables, nhwc(self.images).astype(dtype))


def flat(out):
    """[(name, array)] of everything a network shows, kdjax's or the reference's, in NCHW."""
    f = out.features
    named = [("logits", out.logits), ("embedding", f.embedding), ("pre_pool", f.pre_pool)]
    named += [(f"map {i}", m) for i, m in enumerate(f.maps)] + [(f"preact {i}", m) for i, m in enumerate(f.preact)]
    return named


def scalar(arrays, probes, total):
    """One number that depends on every entry of every output: sum of output * probe."""
    return total((a * p).sum() for a, p in zip(arrays, probes))


def compare_outputs(name, ours, theirs, what):
    for (label, got), (_, want) in zip(flat(ours), flat(theirs), strict=True):
        got = nchw(got)
        check("network", name, got, want.detach().numpy(), what=f"{what} {label}")


@pytest.mark.parametrize("name", NAMES)
def test_evaluation_agrees(name):
    pair = Pair(name)
    out, stats = pair.forward(train=False)
    with torch.no_grad():
        compare_outputs(name, out, pair.theirs.eval()(torch.from_numpy(pair.images)), "eval")
    unchanged = jax.tree.map(lambda a, b: bool((a == b).all()), stats, pair.variables["batch_stats"])
    assert all(jax.tree.leaves(unchanged))


def trained(name):
    """(reference network, its outputs, its gradients by name, kdjax's outputs, its gradients and statistics)."""
    pair = Pair(name)
    theirs = pair.theirs.train()(torch.from_numpy(pair.images))
    rng = np.random.default_rng(3)
    probes = [rng.standard_normal(tuple(t.shape)) / t.numel() for _, t in flat(theirs)]
    loss = scalar([t for _, t in flat(theirs)], [torch.from_numpy(p) for p in probes], sum)
    named = dict(pair.theirs.named_parameters())
    want = dict(zip(named, torch.autograd.grad(loss, named.values())))

    def objective(params):
        variables = {"params": params, "batch_stats": pair.variables["batch_stats"]}
        out, stats = pair.ours.apply(variables, nhwc(pair.images), train=True)
        return scalar([a for _, a in flat(out)], [nhwc(p) for p in probes], sum), (out, stats)

    grads, (out, stats) = jax.jit(jax.grad(objective, has_aux=True))(pair.variables["params"])
    return pair.theirs, theirs, want, out, to_state_dict(pair.ours, {"params": grads, "batch_stats": stats})


TRAINED = Ahead([*FAST, *SLOW], trained)


@pytest.mark.parametrize("name", NAMES)
def test_training_agrees_in_outputs_statistics_and_every_gradient(name):
    net, theirs, want, out, got = TRAINED[name]
    compare_outputs(name, out, theirs, "train")
    largest = max(float(g.abs().max()) for g in want.values())
    for key, gradient in want.items():
        check("network_grad", name, got[key], gradient.numpy(), what=key, floor=1e-3 * largest)
    for key, value in net.state_dict().items():
        if key.endswith(("running_mean", "running_var")):
            check("network", name, got[key], value.numpy(), what=key)


@pytest.mark.parametrize("name", ["resnet8", "wrn_10_2", *(pytest.param(n, marks=pytest.mark.slow)
                                                            for n in ("vgg8", "MobileNetV2_0_25", "ShuffleV2_0_3"))])
def test_trunk_mode_agrees_with_the_original_prestage(name):
    """As AB's and FSP's pre-stage sees it: the student in eval mode, then the trunk's children in train mode."""
    pair = Pair(name)
    assert set(pair.ours.trunk) >= set(pair.theirs.trunk)
    pair.theirs.eval()
    for child in pair.theirs.trunk:
        getattr(pair.theirs, child).train()
    out, stats = pair.forward(train="trunk")
    compare_outputs(name, out, pair.theirs(torch.from_numpy(pair.images)), "trunk")
    got = to_state_dict(pair.ours, {"params": pair.variables["params"], "batch_stats": stats})
    for key, value in pair.theirs.state_dict().items():
        if key.endswith(("running_mean", "running_var")):
            check("network", name, got[key], value.numpy(), what=key)


@pytest.mark.parametrize(("name", "size"), [("resnet8", 48), ("wrn_10_2", 64), ("vgg8", 64), ("vgg8", 48)])
def test_other_image_sizes_agree(name, size):
    pair = Pair(name, batch=2, size=size)
    out, _ = pair.forward(train=False)
    with torch.no_grad():
        compare_outputs(name, out, pair.theirs.eval()(torch.from_numpy(pair.images)), f"{size} pixels")


@pytest.mark.parametrize("name", ["resnet8", "wrn_16_1", "vgg8_3neurons"])
def test_float32_evaluation_is_close_and_float32(name):
    pair = Pair(name)
    pair.variables = jax.tree.map(lambda x: x.astype(jnp.float32), pair.variables)
    out, _ = pair.forward(train=False, dtype=np.float32)
    assert all(a.dtype == jnp.float32 for _, a in flat(out))
    with torch.no_grad():
        want = pair.theirs.eval()(torch.from_numpy(pair.images)).logits.numpy()
    check("network", name, out.logits, want, dtype="float32", what="logits")


@pytest.mark.parametrize("name", ["resnet8", "vgg8_3neurons"])
def test_the_head_alone_agrees(name):
    pair = Pair(name)
    (width,) = pair.ours.feature_shapes.embedding
    embedding = np.random.default_rng(5).standard_normal((3, width))
    with torch.no_grad():
        want = pair.theirs.classify(torch.from_numpy(embedding)).numpy()
    check("network", name, pair.ours.classify(pair.variables, jnp.asarray(embedding)), want, what="head")


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in models.MODELS if not n.startswith(("imix_", "ssl_"))])
def test_every_network_of_kdjax_has_a_reference_of_the_same_size(name):
    """Of those with labels; the encoders are held to the originals' own numbers (tests/models/test_golden_networks.py).
    """
    with torch.device("meta"):
        theirs = networks.build(name, num_classes=CLASSES)
    ours = models.build(name, num_classes=CLASSES)
    assert ours.num_params == sum(p.numel() for p in theirs.parameters())
    assert [nhwc_shape(m) for m in ours.feature_shapes.maps] == shapes_of(theirs).maps


def nhwc_shape(shape):
    """(H, W, C) -> (C, H, W)."""
    return (shape[2], *shape[:2])


def shapes_of(net):
    """Feature shapes without running a number: a forward pass on the meta device."""
    f = net.eval()(torch.empty(1, 3, 32, 32, dtype=torch.float64, device="meta")).features
    return f._replace(maps=[tuple(m.shape[1:]) for m in f.maps])
