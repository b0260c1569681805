"""Every adapter against the numbers of the original PyTorch modules, in float64."""
import json
import math
import pathlib
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "models"))
import model_golden as golden

from kdjax.errors import UserError
from kdjax.methods import adapters
from kdjax.methods.adapters.attention import Proj
from kdjax.models import Functional

BUILD = {
    "convreg_down": lambda: adapters.conv_reg((16, 16, 6), (8, 8, 10)),
    "convreg_norelu": lambda: adapters.conv_reg((16, 16, 6), (8, 8, 10), use_relu=False),
    "convreg_up": lambda: adapters.conv_reg((4, 4, 6), (8, 8, 10)),
    "convreg_same": lambda: adapters.conv_reg((8, 8, 6), (8, 8, 10)),
    "convreg_valid": lambda: adapters.conv_reg((10, 10, 6), (7, 7, 10)),
    "convreg_disti_small": lambda: adapters.conv_reg((4, 4, 6), (7, 7, 10), small=True),
    "connector": lambda: adapters.connector(((8, 8, 6), (8, 8, 8), (4, 4, 10), (4, 4, 5)),
                                            ((8, 8, 6), (8, 8, 12), (8, 8, 10), (2, 2, 9))),
    "ofd_connector_k1": lambda: adapters.ofd_connector((6, 8), (10, 12)),
    "paraphraser": lambda: adapters.paraphraser((8, 8, 12)),
    "paraphraser_bn_k075": lambda: adapters.paraphraser((8, 8, 12), k=0.75, use_bn=True),
    "translator": lambda: adapters.translator((8, 8, 10), (8, 8, 12)),
    "regress": lambda: adapters.regress(96, 20),
    "embed": lambda: adapters.embed(96, 20),
    "linear_embed": lambda: adapters.linear_embed(64, 20),
    "mlp_embed": lambda: adapters.mlp_embed(64, 20),
    "itrd_embed_n1": lambda: adapters.itrd_embed(32, 20),
    "itrd_embed_n2": lambda: adapters.itrd_embed(32, 20, depth=2),
    "vid_regressor": lambda: adapters.vid_regressor((8, 8, 6), (8, 8, 10)),
    "ickd_embed": lambda: adapters.ickd_embed(6, 10),
    "semckd_mlpembed": lambda: adapters.mlp_embed(16, 4),
    "semckd_proj": lambda: Functional(lambda rngs: Proj(6, 10, rngs=rngs)),
    "srrl_transfer": lambda: adapters.srrl_transfer(6, 12),
    "simkd_proj_down": lambda: adapters.simkd_projector((8, 8, 6), (8, 8, 12)),
}


def nhwc(x):
    x = jnp.asarray(np.asarray(x, np.float64))
    return x.transpose(0, 2, 3, 1) if x.ndim == 4 else x


def close(got, want, tolerance=1e-9):
    scale = max(np.abs(want).max(), 1e-3)
    np.testing.assert_allclose(np.asarray(got), np.asarray(nhwc(want)), rtol=0, atol=tolerance * scale)


def outputs(name, out):
    """The originals' outputs: VID's scale apart, everything a list."""
    return [out[0]] if name == "vid_regressor" else list(out) if isinstance(out, tuple) else [out]


@pytest.mark.parametrize("name", BUILD)
def test_adapter_equals_the_original_in_both_modes(name):
    file = np.load(golden.golden_file(f"models/adapters/{name}"))
    meta, manifest = json.loads(str(file["meta"])), json.loads(str(file["manifest"]))
    prefix = "regressor." if name == "vid_regressor" else ""        # the golden run had the container alone
    spare = "regressor." if name == "semckd_mlpembed" else "-"      # layers that the original creates and never uses
    with jax.enable_x64(True):
        state_dict = {prefix + key: golden.draw(key, shape, meta["salt"], meta["gain"]) for key, shape, _ in manifest
                      if not key.startswith(spare)}
        if name == "vid_regressor":
            state_dict["log_scale"] = np.zeros(10)
        adapter = BUILD[name]()
        variables = golden.variables_from(adapter, state_dict, jnp.float64)
        x = [nhwc(np.random.default_rng(seed).standard_normal(shape).astype(np.float32))
             for seed, shape in zip(meta["input_seeds"], meta["input_shapes"])]
        x = tuple(x) if len(x) > 1 else x[0]
        for mode in ("eval", "train"):
            out, stats = jax.jit(adapter.apply, static_argnames="train")(variables, x, train=mode == "train")
            for i, got in enumerate(outputs(name, out)):
                close(got, file[f"{mode}_out{i}"])
        for key in (k for k in file if k.startswith("train_stat:")):
            path, _ = golden.find(adapter, key.removeprefix("train_stat:"))
            close(golden.leaf(stats, path), file[key])


def from_hparams(h):
    if h["kind"] == "conv_reg":
        (c_s, h_s), (c_t, h_t) = h["s_shape"], h["t_shape"]
        return adapters.conv_reg((h_s, h_s, c_s), (h_t, h_t, c_t), use_relu=h["use_relu"]), lambda out: out
    kinds = {
        "paraphraser": (lambda x, p: adapters.paraphraser((x[2], x[2], x[1])), lambda out: out[1]),
        "paraphraser_encode": (lambda x, p: adapters.paraphraser((x[2], x[2], x[1])), lambda out: out[0]),
        "translator": (lambda x, p: adapters.translator((x[2], x[2], x[1]), (x[2], x[2], 2 * p[1])), lambda out: out),
        "linear_embed": (lambda x, p: adapters.linear_embed(x[1], p[1]), lambda out: out),
        "embed_l2": (lambda x, p: adapters.embed(x[1], p[1]), lambda out: out),
    }
    return kinds[h["kind"]]


@pytest.mark.parametrize("case", range(10))
def test_adapter_gradients_equal_the_originals(case):
    file = np.load(golden.golden_file("losses/adapters"))
    get = lambda key: file[f"c{case}_{key}"]
    h = json.loads(str(get("hparams")))
    with jax.enable_x64(True):
        build, pick = from_hparams(h)
        adapter = build if h["kind"] == "conv_reg" else build(get("x").shape, get("probe").shape)
        prefix = f"c{case}_p_"
        state_dict = {k.removeprefix(prefix).replace("__", "."): file[k] for k in file if k.startswith(prefix)}
        for path, _ in adapter.leaf_paths:
            if path[-1] in ("mean", "var"):
                shape = golden.leaf(adapter.abstract["batch_stats"], path).shape
                state_dict[golden.torch_key(path)] = np.full(shape, float(path[-1] == "var"))
        if h["kind"] == "paraphraser_encode":       # the original's decoder has no part in this case
            for path, kind in adapter.leaf_paths:
                zeros = np.zeros(golden.leaf(adapter.abstract["params"], path).shape)
                state_dict.setdefault(golden.torch_key(path), golden.to_torch(zeros, kind, path[-1]))
        variables = golden.variables_from(adapter, state_dict, jnp.float64)
        x, probe = nhwc(get("x")), nhwc(get("probe"))

        def loss(params, x):
            out, stats = adapter.apply({**variables, "params": params}, x, train=True)
            return (pick(out) * probe).sum(), stats
        differentiate = jax.jit(jax.value_and_grad(loss, argnums=(0, 1), has_aux=True))
        (value, stats), (grads, grad_x) = differentiate(variables["params"], x)
        np.testing.assert_allclose(value, get("loss64"), rtol=1e-9, atol=1e-12)
        close(grad_x, get("grad_x"), 1e-7)
        for path, kind in adapter.leaf_paths:
            key = golden.torch_key(path).replace(".", "__")
            if path[-1] in ("mean", "var"):
                np.testing.assert_allclose(golden.leaf(stats, path), get(f"new_{key}"), atol=1e-10)
            elif f"c{case}_grad_p_{key}" in file:
                want = get(f"grad_p_{key}")
                np.testing.assert_allclose(golden.to_torch(golden.leaf(grads, path), kind, path[-1]), want,
                                           rtol=0, atol=1e-7 * max(np.abs(want).max(), 1e-3))


def test_semckd_returns_pairs_of_equal_maps_and_unit_queries():
    adapter = adapters.semckd(8, ((8, 8, 3), (4, 4, 5)), ((8, 8, 6), (2, 2, 7)))
    key = jax.random.key(0)
    g_s, g_t = (tuple(jax.random.normal(key, (8, *shape)) for shape in shapes)
                for shapes in (((8, 8, 3), (4, 4, 5)), ((8, 8, 6), (2, 2, 7))))
    (proj, target, query, keys), stats = jax.eval_shape(
        lambda v: adapter.apply(v, g_s, g_t, train=True), jax.eval_shape(adapter.init, key))
    assert [[p.shape for p in row] for row in proj] == [[(8, 8, 8, 6), (8, 2, 2, 7)], [(8, 4, 4, 6), (8, 2, 2, 7)]]
    assert [[t.shape for t in row] for row in target] == [[p.shape for p in row] for row in proj]
    assert query.shape == keys.shape == (8, 2, 2)
    assert set(stats) == {"regressor00", "regressor01", "regressor10", "regressor11"}


def test_vid_variance_starts_at_five_and_the_seed_variants_rho_at_softplus_five():
    key = jax.random.key(0)
    log_scale = adapters.vid_regressor((4, 4, 2), (4, 4, 3)).init(key)["params"]["log_scale"]
    np.testing.assert_allclose(log_scale, math.log(math.exp(5 - 1e-5) - 1), rtol=1e-6)
    seed = adapters.vid_seed_regressor((4, 4, 2), (4, 4, 3))
    (mean, rho), _ = seed.apply(seed.init(key), jnp.ones((1, 4, 4, 2)))
    assert mean.shape == (1, 4, 4, 3)
    np.testing.assert_allclose(rho, 5.0067, atol=1e-4)
    keys = {golden.torch_key(path) for path, _ in seed.leaf_paths}
    assert keys == {"variance_param", "branch.0.weight", "branch.1.weight"}


def test_dcd_scales_predictor_and_unit_linear_have_the_originals_names_and_starts():
    key = jax.random.key(0)
    scales = adapters.dcd_scales()
    assert [float(v) for v in scales.apply(scales.init(key))[0]] == [1.0, 0.0]
    assert [golden.torch_key(p) for p, _ in scales.leaf_paths] == ["tau", "b"]
    unit = adapters.unit_linear(6, 4)
    assert [golden.torch_key(p) for p, _ in unit.leaf_paths] == ["weight", "bias"]
    rows, _ = unit.apply(unit.init(key), jnp.ones((3, 6)))
    np.testing.assert_allclose(jnp.square(rows).sum(1), 1.0, rtol=1e-5)
    assert {".".join(p[:-1]) for p, _ in adapters.predictor(10, 4).leaf_paths} == {"0", "1.bn", "3", "4.bn"}


def test_connector_between_equal_shapes_has_no_parameters():
    same = adapters.connector(((8, 8, 4),), ((8, 8, 4),))
    assert same.init(jax.random.key(0)) == {"params": {}, "batch_stats": {}}
    x = (jnp.ones((1, 8, 8, 4)),)
    assert same.apply({"params": {}, "batch_stats": {}}, x, train=True)[0][0] is x[0]


def test_a_regressor_that_cannot_be_built_is_refused_with_both_shapes():
    with pytest.raises(UserError, match=r"\(4, 4, 6\).*\(7, 7, 10\)"):
        adapters.conv_reg((4, 4, 6), (7, 7, 10))
