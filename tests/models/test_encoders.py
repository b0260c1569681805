"""Heads, table networks and the attention tail against the originals' numbers; names, stems, mixing inside."""
import pathlib
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import model_golden as golden
from flax import nnx

from kdjax import models
from kdjax.errors import UserError
from kdjax.models import heads
from kdjax.models.attention_tail import AttentionBlock
from kdjax.models.layers import Sequence
from kdjax.models.network import Functional
from tests.selfsup_golden import close, load

LAYERS = {"lin": {"linear1": ""}, "linbn": {"linear1": "0.", "bn1": "1.bn."}, "mlp": {"linear1": "0.", "linear2": "2."},
          "mlpbn1": {"linear1": "0.", "bn1": "1.bn.", "linear2": "3."},
          "mlpbn": {"linear1": "0.", "bn1": "1.bn.", "linear2": "3.", "bn2": "4.bn."}}


def renamed(data, prefix, names):
    """The arrays under `prefix`, layers called as in a state dict, statistics filled in where there are none."""
    out = {}
    for key in (k.removeprefix(prefix) for k in data if k.startswith(prefix) and "." in k.removeprefix(prefix)):
        layer, leaf = key.rsplit(".", 1)
        out[names.get(layer, layer + ".") + leaf] = data[prefix + key]
    for key in [k for k in out if "bn" in k and k.endswith("weight")]:
        out.setdefault(key.replace("weight", "running_mean"), np.zeros_like(out[key]))
        out.setdefault(key.replace("weight", "running_var"), np.ones_like(out[key]))
    return out


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize(("side", "given", "inputs"), [("proj", "feat", 12), ("pred", "proj_out_like", 6)])
def test_heads_equal_the_originals_in_training_gradients_and_evaluation(side, given, inputs, kind):
    data, _ = load("heads")
    with jax.enable_x64(True):
        net = Functional(lambda rngs: heads.head(kind, inputs, 12, 6, rngs=rngs))
        variables = golden.variables_from(net, renamed(data, f"in.{side}.{kind}.", LAYERS[kind]), jnp.float64)
        x = jnp.asarray(data[f"in.{given}"], jnp.float64)

        def run(params, x):
            out, stats = net.apply({**variables, "params": params}, x, train=True)
            return (out * data["in.cotangent"]).sum(), (out, stats)

        (_, (out, stats)), (grads, grad_in) = jax.value_and_grad(run, (0, 1), has_aux=True)(variables["params"], x)
        later, _ = net.apply({"params": variables["params"], "batch_stats": stats},
                             jnp.asarray(data[f"in.{given}_eval"], jnp.float64))
    want = lambda key: data[f"f64.{side}.{kind}.{key}"]
    close(out, want("train"), "f64")
    close(grad_in, want("grad_in"), "f64")
    close(later, want("eval"), "f64")
    for path, leaf_kind in net.leaf_paths:
        key = golden.torch_key(path)
        layer = next(name for name, torch in LAYERS[kind].items() if key.startswith(torch))
        where = "after" if path[-1] in ("mean", "var") else "grad"
        got = golden.to_torch(golden.leaf(stats if where == "after" else grads, path), leaf_kind, path[-1])
        close(got, want(f"{where}.{layer}.{key.rsplit('.', 1)[-1]}"), "f64")


TABLES = {"covtype5": "imix_mlp5_w1_split", "higgs5": "imix_mlp5_w1_plain", "higgs3": "ssl_mlp3_w1_plain"}


@pytest.mark.parametrize("which", TABLES)
def test_table_networks_equal_the_originals(which):
    data, _ = load("tabular")
    names = {f"hidden{i}.{part}": f"body.{i}.{n}." for i in range(4) for n, part in enumerate(("linear", "bn"))}
    names |= {"input.linear": "fc1.0.", "input.bn": "fc1.1.", "pre_maxout": "last_fc.", "out": "fc."}
    names |= {f"group{i}": f"fc{i + 1}." for i in range(3)}
    state_dict = renamed(data, f"in.{which}.", names)
    for key in [k for k in state_dict if k.endswith(".1.weight")]:
        state_dict[key.replace("weight", "running_mean")] = np.zeros_like(state_dict[key])
        state_dict[key.replace("weight", "running_var")] = np.ones_like(state_dict[key])
    with jax.enable_x64(True):
        x, later = (jnp.asarray(data[f"in.{which}.{key}"], jnp.float64) for key in ("x", "x_eval"))
        net = models.build(TABLES[which], num_classes=4, image_size=x.shape[1])
        variables = golden.variables_from(net, state_dict, jnp.float64)
        out, stats = net.apply(variables, x, train=True)
        evaluated, _ = net.apply(variables | {"batch_stats": stats}, later)
    close(out.logits, data[f"f64.{which}.train"], "f64")
    close(evaluated.logits, data[f"f64.{which}.eval"], "f64")
    close(evaluated.features.embedding, data[f"f64.{which}.eval_features"], "f64")


@pytest.mark.parametrize("name", ["imix_mlp5_w2_plain", "imix_mlp5_w2_split", "ssl_mlp3_w2_plain"])
def test_table_networks_import_the_originals_weights(name):
    file = golden.Golden(name)
    with jax.enable_x64(True):
        net = models.build(name, num_classes=file.meta["num_classes"], image_size=file.meta["input_shape"][-1])
        x = np.random.default_rng(file.meta["input_seed"]).standard_normal(file.meta["input_shape"]).astype(np.float32)
        out, _ = net.apply(file.variables(net, jnp.float64), jnp.asarray(x, jnp.float64))
    np.testing.assert_allclose(out.logits, file.data["eval_logits_f64"], rtol=1e-9, atol=1e-10)


class Tail(nnx.Module):
    """The golden file's two blocks, [B, 4, 4, 6] -> [B, 2, 2, 8]."""

    def __init__(self, positions, *, rngs):
        make = lambda inputs, size, halves: AttentionBlock(inputs, 8, size, halves, 2, 5, positions, 2, rngs=rngs)
        self.block0, self.block1 = make(6, 4, True), make(8, 2, False)

    def __call__(self, x):
        return self.block1(self.block0(x)[1])[1]


@pytest.mark.parametrize("positions", ["abs", "rel"])
def test_the_attention_tail_equals_the_original(positions):
    data, _ = load("trans_stack")
    state_dict = renamed(data, f"in.{positions}.", {})
    with jax.enable_x64(True):
        net = Functional(lambda rngs: Tail(positions, rngs=rngs))
        variables = golden.variables_from(net, state_dict, jnp.float64)
        x = jnp.asarray(np.moveaxis(data["in.x"], 1, -1), jnp.float64)
        out, stats = net.apply(variables, x, train=True)
        later, _ = net.apply(variables | {"batch_stats": stats}, x)
    close(np.moveaxis(out, -1, 1), data[f"f64.{positions}.train"], "f64")
    close(np.moveaxis(later, -1, 1), data[f"f64.{positions}.eval"], "f64")


def test_any_network_can_carry_a_projection_or_show_its_features():
    for name in ("resnet8", "vgg8", "MobileNetV2", "imix_basic_1_1_1_1_w8", "imix_mlp5_w2_plain"):
        width = models.build(name, num_classes=7, image_size=32).feature_shapes.embedding
        projected = models.build(f"{name}_mlpbn1", num_classes=16, image_size=32)
        assert projected._abstract_output.logits.shape == (1, 16)
        assert models.build(f"{name}_features", num_classes=3).num_classes == width[0]
    head = projected._module().fc
    assert isinstance(head, Sequence) and head_width(head) == (width[0], width[0])


def head_width(head):
    return next(iter(head)).kernel.shape


def test_the_features_network_gives_its_pooled_features_as_logits():
    net = models.build("imix_basic_1_1_1_1_w8_features", num_classes=1, image_size=16)
    out, _ = net.apply(net.init(jax.random.key(0)), jnp.ones((2, 16, 16, 3)))
    np.testing.assert_array_equal(out.logits, out.features.embedding)


def test_mixing_at_a_layer_replaces_its_map_and_no_other():
    net = models.build("imix_basic_1_1_1_1_w8", num_classes=4, image_size=16)
    variables, x = net.init(jax.random.key(0)), jax.random.normal(jax.random.key(1), (2, 16, 16, 3))
    plain, _ = net.apply(variables, x)
    for layer in range(5):
        mixed, _ = net.apply(variables, x, between=lambda depth, h: 2 * h if depth == layer else h)
        same = [np.array_equal(a, b) for a, b in zip(plain.features.maps, mixed.features.maps)]
        assert same == [i < layer for i in range(5)]


def test_a_split_table_network_wants_covtypes_columns():
    net = models.build("imix_mlp5_w2_split", num_classes=4)
    with pytest.raises(UserError, match=r"shape \(54,\), not \(10,\)"):
        net.apply(net.init(jax.random.key(0)), jnp.ones((2, 10)))
