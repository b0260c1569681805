"""Level (g): weights there and back. torch.save -> kdjax -> torch.load, for every family of networks."""
import jax
import numpy as np
import pytest
import torch

from kdjax.weights.folder import load_network, save_network, save_torch
from kdjax.weights.torch.checkpoint import load, read, to_state_dict
from parity_tests import golden_data
from parity_tests.bridge import nhwc
from parity_tests.reference import networks
from parity_tests.tolerances import check

NAMES = ["resnet8", "resnet8x4", "resnet14x2", "wrn_10_2", "vgg8", "MobileNetV2", "ShuffleV1", "ShuffleV2", "ResNet18"]
CLASSES = 7


def trained(name, dtype):
    """A reference network with drawn weights of a dtype, in eval mode, and its state dict with counters."""
    net = networks.build(name, num_classes=CLASSES).eval()
    shapes = {key: tuple(value.shape) for key, value in net.state_dict().items()}
    weights = golden_data.state_dict(shapes, "converter:", gain=0.9)
    state = {k: torch.from_numpy(np.array(v)) for k, v in weights.items()}
    state = {k: v.to(dtype) if v.is_floating_point() else v + 781 for k, v in state.items()}
    net.load_state_dict(state)
    return net, state


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("name", NAMES)
def test_a_torch_file_returns_bit_for_bit(name, dtype, tmp_path):
    _, state = trained(name, dtype)
    torch.save({"epoch": 240, "model": state, "best_acc": 71.5}, tmp_path / "in.pth")
    net, variables, metadata = load(tmp_path / "in.pth", name=name)
    save_torch(tmp_path / "out.pth", net, variables, metadata)
    back = torch.load(tmp_path / "out.pth", weights_only=True)
    assert list(back["model"]) == list(state)
    for key, value in state.items():
        assert back["model"][key].dtype == value.dtype
        check("converter", name, back["model"][key].numpy(), value.numpy(), what=key, floor=0.0)
        assert torch.equal(back["model"][key], value)
    networks.build(name, num_classes=CLASSES).load_state_dict(back["model"], strict=True)


@pytest.mark.parametrize("name", ["resnet8", "wrn_10_2", "vgg8"])
def test_the_converted_network_computes_the_same_logits(name, tmp_path):
    theirs, state = trained(name, torch.float64)
    torch.save({"model": state}, tmp_path / "in.pth")
    net, variables, _ = load(tmp_path / "in.pth", name=name)
    save_network(tmp_path / "folder", net, variables, {})
    again, copied, _ = load_network(tmp_path / "folder")
    images = np.random.default_rng(0).standard_normal((4, 3, 32, 32))
    out, _ = jax.jit(lambda v, x: again.apply(v, x, train=False))(copied, nhwc(images))
    with torch.no_grad():
        want = theirs(torch.from_numpy(images)).logits
    check("converter", f"{name} logits", out.logits, want.numpy())


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_both_byte_formats_and_a_data_parallel_prefix_read_the_same(legacy, tmp_path):
    _, state = trained("resnet8", torch.float32)
    wrapped = {"module." + k: v for k, v in state.items()}
    torch.save({"model": wrapped}, tmp_path / "in.pth", _use_new_zipfile_serialization=not legacy)
    got = read(tmp_path / "in.pth", name="resnet8")
    assert list(got.state_dict) == list(state)
    assert all(np.array_equal(got.state_dict[k], v.numpy()) for k, v in state.items())


def test_variables_of_kdjax_survive_torch(tmp_path):
    """The other direction: kdjax's own initial weights through torch.load and torch.save."""
    from kdjax import models
    net = models.build("resnet8", num_classes=CLASSES)
    variables = net.init(jax.random.key(0))
    save_torch(tmp_path / "a.pth", net, variables)
    torch.save(torch.load(tmp_path / "a.pth", weights_only=True), tmp_path / "b.pth")
    _, back, _ = load(tmp_path / "b.pth", name="resnet8")
    same = jax.tree.map(lambda a, b: bool((a == b).all()) and a.dtype == b.dtype, variables, back)
    assert all(jax.tree.leaves(same)) and list(to_state_dict(net, back)) == list(to_state_dict(net, variables))
