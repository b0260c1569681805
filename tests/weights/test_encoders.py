"""The encoders in the self-supervised releases' checkpoints: which part, which head, which network."""
import json

import numpy as np
import pytest

from kdjax.errors import UserError
from kdjax.weights import torch as torch_weights
from kdjax.weights.torch import encoders


def golden(shared, name):
    path = next((shared / "golden" / "checkpoints" / name).glob("*.pth"))
    expected = np.load(f"{path}.expected.npz")
    meta = json.loads(str(expected["meta"]))
    x = np.random.default_rng(meta["input_seed"]).standard_normal(meta["input_shape"]).astype(np.float32)
    return path, expected, x.transpose(0, 2, 3, 1)


def output(path, x, **options):
    net, variables, metadata = torch_weights.load(path, **options)
    return net, net.apply(variables, x)[0], metadata


def far(got, want):
    return np.abs(np.asarray(got) - want).max() / np.sqrt(np.square(want).mean())


def test_an_imix_file_gives_the_online_networks_features_or_its_projection(shared):
    path, expected, x = golden(shared, "imix_moco_tiny")
    net, out, metadata = output(path, x)
    assert net.name == "imix_basic_1_1_1_1_w8_features" and far(out.logits, expected["logits_f64"]) < 1e-4
    assert "fc" in metadata["left_out"]
    net, out, _ = output(path, x, keep_projection=True)
    assert net.name == "imix_basic_1_1_1_1_w8_mlpbn1" and far(out.logits, expected["proj_f64"]) < 1e-4
    assert output(path, x, part="target")[2]["part"] == "encoder_k"
    with pytest.raises(UserError, match="no part 'encoder_distill_q'"):
        torch_weights.load(path, part="weak")


def test_a_dssrd_file_gives_the_weak_student_with_its_own_head(shared):
    path, expected, x = golden(shared, "dssrd_ssl_tiny")
    net, out, metadata = output(path, x)
    assert net.num_classes == 32 and metadata["part"] == "encoder_distill_q"
    assert far(out.logits, expected["logits_f64"]) < 1e-4
    assert far(out.features.embedding, expected["pooled_f64"]) < 1e-4
    assert "fc" in metadata["left_out"]


def test_the_strong_student_and_the_teacher_are_other_networks(shared):
    path, expected, x = golden(shared, "dssrd_ssl_tiny")
    others = [output(path, x, part=part) for part in ("strong", "teacher")]
    assert [m["part"] for _, _, m in others] == ["encoder_q", "encoder_k"]
    for net, out, _ in others:      # the reduced file's `fc` fits no 64 features, as it was never asked
        assert net.name.endswith("_features") and far(out.features.embedding, expected["pooled_f64"]) > 1e-2


def test_the_module_prefix_changes_nothing(shared):
    path, expected, x = golden(shared, "dssrd_ssl_tiny_module")
    assert far(output(path, x)[1].logits, expected["logits_f64"]) < 1e-4


def test_networks_are_told_by_shapes_and_the_originals_names_are_understood():
    from kdjax import models
    from kdjax.weights.torch.naming import torch_shapes
    for name in ("imix_resnet18h", "imix_resnet34_1ch_mlpbn", "imix_resnet50_largestem", "imix_resnext50_32x4d_linbn",
                 "imix_wide_resnet50_2_features", "imix_bottleneck_1_1_1_1_w8_mlp"):
        assert encoders.recognize(torch_shapes(models.build(name, num_classes=8))) == name
    assert encoders.meant("resnet18", "imix_resnet18_features") == "imix_resnet18_features"
    assert encoders.meant("resnet34", "imix_resnet18_features") == "resnet34"
