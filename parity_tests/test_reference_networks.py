"""The torch reference networks reproduce the original ones: logits, features, running statistics, gradients."""
import numpy as np
import pytest
import torch

from parity_tests import golden_data
from parity_tests.reference import networks
from parity_tests.tolerances import check

# Networks that kdjax's benchmarks do not train: ImageNet shapes, self-supervised encoders, tabular MLPs.
ELSEWHERE = ("imagenet_", "imix_", "ssl_", "mdistiller_imagenet_", "mdistiller_MobileNetV2_tiny")

def cases():
    for path in golden_data.files("models"):
        if not path.stem.startswith(ELSEWHERE):
            yield pytest.param(path, id=path.stem, marks=[] if golden_data.is_local(path) else [pytest.mark.slow])


def name_of(arch):
    """The network behind a golden file: without its source, input size and class count."""
    for prefix in ("ickd_", "mdistiller_"):
        arch = arch.removeprefix(prefix)
    return arch.split("__")[0].removesuffix("_c10")


def loaded(golden):
    """The reference network with the file's weights, and its input."""
    meta = golden["meta"]
    net = networks.build(name_of(meta["arch"]), num_classes=meta["num_classes"])
    weights = {key: golden_data.tensor(key, shape, meta["salt"], meta["gain"]) for key, shape, _ in golden["manifest"]}
    net.load_state_dict({key: torch.from_numpy(value) for key, value in weights.items()})
    return net, torch.from_numpy(golden_data.model_input(meta)), weights


def check_features(subject, golden, kind, features):
    shapes = golden["meta"]["feat_shapes" if kind == "feat" else "preact_feat_shapes"]
    for i, (f, shape) in enumerate(zip(features, shapes, strict=True)):
        f = f.detach()
        assert list(f.shape) == shape
        first = golden[kind + "_first64"][i][: f.numel()]
        scale = float(f.abs().max())
        check("golden_network", subject, f.flatten()[:64], first, what=f"{kind} {i}", scale=scale)
        check("golden_network", subject, f.mean(), golden[kind + "_mean"][i], what=f"{kind} mean {i}", scale=scale)
        check("golden_network", subject, f.std(unbiased=False), golden[kind + "_std"][i], what=f"{kind} std {i}")


def check_gradients(subject, golden, net, logits, mode):
    loss = logits.pow(2).sum() / len(logits)
    check("golden_network", subject, loss.item(), golden[mode + "_loss_f64"], what=mode + " loss")
    named = dict(net.named_parameters())
    grads = torch.autograd.grad(loss, [named[n] for n in golden["meta"]["grad_params"]])
    norms = golden[mode + "_grad_norm_f64"]
    for grad, norm, name in zip(grads, norms, golden["meta"]["grad_params"], strict=True):
        check("golden_network", subject, grad.norm(), norm, what=f"{mode} gradient of {name}")
    if mode == "train":
        for grad, first, norm in zip(grads, golden["train_grad_first64_f64"], norms, strict=True):
            check("golden_network", subject, grad.flatten()[:64], first[: grad.numel()], scale=norm)


@pytest.mark.usefixtures("torch_alone")
@pytest.mark.parametrize("path", list(cases()))
def test_reference_network_agrees_with_the_original(path):
    golden = golden_data.read(path)
    net, x, weights = loaded(golden)
    assert [[k, list(v.shape)] for k, v in net.state_dict().items()] == [row[:2] for row in golden["manifest"]]
    assert sum(p.numel() for p in net.parameters()) == golden["meta"]["param_count"]

    out = net.eval()(x)
    rms = float(np.sqrt(np.mean(golden["eval_logits_f64"] ** 2)))
    check("golden_network", path.stem, out.logits.detach(), golden["eval_logits_f64"], what="eval logits", scale=rms)
    if path.stem.startswith("ickd_"):  # other feature lists there; its distiller uses the last map only
        tap = out.features.pre_pool.detach()
        check("golden_network", path.stem, tap.flatten()[:64], golden["feat_first64"][-2], what="pre_pool",
              scale=float(tap.abs().max()))
    else:
        check_features(path.stem, golden, "feat", (*out.features.maps, out.features.embedding))
        if "preact_mean" in golden:
            check_features(path.stem, golden, "preact", (*out.features.preact, out.features.embedding))
    check_gradients(path.stem, golden, net, out.logits, "eval")

    logits = net.train()(x).logits
    rms = float(np.sqrt(np.mean(golden["train_logits_f64"] ** 2)))
    check("golden_network", path.stem, logits.detach(), golden["train_logits_f64"], what="train logits", scale=rms)
    check_gradients(path.stem, golden, net, logits, "train")
    check_statistics(path.stem, golden, net.state_dict(), weights)


def check_statistics(subject, golden, state, weights):
    """One update. A layer that the original calls twice has moved twice: r2 = 0.9 r1 + 0.1 b, 0.1 b = r1 - 0.9 r0."""
    meta = golden["meta"]
    twice = meta["bn_updated_twice_in_train"]
    layers = [("bn_first", meta["bn_first"], meta["bn_first"] in twice),
              ("bn_last", meta["bn_last"], meta["bn_last"] in twice)]
    layers += [(f"train_preact_bn{i}", layer, True) for i, layer in enumerate(meta["train_preact_bn"])]
    for prefix, layer, doubled in layers:
        for leaf in ("running_mean", "running_var"):
            got, old = state[f"{layer}.{leaf}"].numpy(), weights[f"{layer}.{leaf}"]
            got = 1.9 * got - 0.9 * old if doubled else got
            key = f"{prefix}_{leaf}" + ("" if f"{prefix}_{leaf}" in golden else "_f64")
            check("golden_network", subject, got, golden[key], what=f"{layer}.{leaf}")


def test_option_a_shortcut_has_no_parameters_and_pads_a_quarter_of_the_channels_on_both_sides():
    net = networks.build("resnet20a", num_classes=10)
    assert "linear.weight" in net.state_dict() and not any("downsample" in k for k in net.state_dict())
    x = torch.arange(2 * 16 * 4 * 4, dtype=torch.float64).reshape(2, 16, 4, 4)
    y = net.layer2[0].shortcut(x)
    assert y.shape == (2, 32, 2, 2)
    assert torch.equal(y[:, 8:24], x[:, :, ::2, ::2]) and not y[:, :8].any() and not y[:, 24:].any()


@pytest.mark.parametrize("name", ["resnet20-12fca82f", "resnet56-4bfd9763"])
def test_option_a_takes_the_released_checkpoints_key_by_key(name):
    path = golden_data.SHARED.parent / "checkpoints" / f"{name}.th"
    if not path.exists():
        pytest.skip("../shared/checkpoints is not beside this clone")
    state = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    net = networks.build(name.split("-")[0] + "a", num_classes=10)
    state = {k.removeprefix("module."): v for k, v in state.items()}
    net.load_state_dict(state, strict=any(k.endswith("num_batches_tracked") for k in state))
    missing = set(net.state_dict()) - set(state)
    assert all(k.endswith("num_batches_tracked") for k in missing)
