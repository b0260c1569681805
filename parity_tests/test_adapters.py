"""kdjax.methods.adapters against the torch reference: outputs, every gradient, running statistics; equal weights."""
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from kdjax.methods import adapters
from kdjax.weights.torch.checkpoint import from_state_dict, to_state_dict
from parity_tests import golden_data
from parity_tests.bridge import from_jax, nhwc, to_jax, to_torch
from parity_tests.reference import adapters as reference
from parity_tests.tolerances import check

MAPS_S, MAPS_T = ((8, 8, 3), (4, 4, 5)), ((8, 8, 4), (8, 8, 5), (2, 2, 6))  # (H, W, C)


def chw(shape):
    return (shape[2], *shape[:2])


# name -> (kdjax's Functional, the reference module, input shapes without batch: CHW maps or vectors)
CASES = {
    "conv_reg stride": lambda: conv_reg((8, 8, 3), (4, 4, 5)),
    "conv_reg transposed": lambda: conv_reg((4, 4, 3), (8, 8, 5)),
    "conv_reg same": lambda: conv_reg((6, 6, 3), (6, 6, 5)),
    "conv_reg valid": lambda: conv_reg((7, 7, 3), (4, 4, 5)),
    "conv_reg no relu": lambda: conv_reg((6, 6, 3), (6, 6, 5), use_relu=False),
    "conv_reg small": lambda: conv_reg((4, 4, 3), (7, 7, 5), small=True),
    "paraphraser": lambda: (adapters.paraphraser((5, 5, 6)), reference.Paraphraser(6), [(6, 5, 5)]),
    "paraphraser with bn": lambda: (adapters.paraphraser((5, 5, 8), k=0.75, use_bn=True),
                                    reference.Paraphraser(8, 0.75, True), [(8, 5, 5)]),
    "translator": lambda: (adapters.translator((5, 5, 4), (5, 5, 6)), reference.Translator(4, 6), [(4, 5, 5)]),
    "vid_regressor": lambda: (adapters.vid_regressor((4, 4, 3), (4, 4, 5)), reference.VIDRegressor(3, 5), [(3, 4, 4)]),
    "vid_seed_regressor": lambda: (adapters.vid_seed_regressor((4, 4, 3), (4, 4, 5)),
                                   reference.VIDSeedRegressor(3, 5), [(3, 4, 4)]),
    "ickd_embed": lambda: (adapters.ickd_embed(3, 5), reference.ICKDEmbed(3, 5), [(3, 4, 4)]),
    "srrl_transfer": lambda: (adapters.srrl_transfer(6, 9), reference.SRRLTransfer(6, 9), [(6,)]),
    "simkd_projector": lambda: (adapters.simkd_projector((4, 4, 3), (4, 4, 6)), reference.SimKDProjector(3, 6),
                                [(3, 4, 4)]),
    "linear_embed": lambda: (adapters.linear_embed(6, 9), reference.LinearEmbed(6, 9), [(6,)]),
    "linear_embed of a map": lambda: (adapters.linear_embed(12, 5), reference.LinearEmbed(12, 5), [(3, 2, 2)]),
    "regress": lambda: (adapters.regress(6, 9), reference.Regress(6, 9), [(6,)]),
    "embed": lambda: (adapters.embed(6, 9), reference.Embed(6, 9), [(6,)]),
    "unit_linear": lambda: (adapters.unit_linear(6, 9), reference.UnitLinear(6, 9), [(6,)]),
    "mlp_embed": lambda: (adapters.mlp_embed(6, 4), reference.MLPEmbed(6, 4), [(6,)]),
    "itrd_embed": lambda: (adapters.itrd_embed(6, 9), reference.LinearEmbed(6, 9), [(6,)]),
    "itrd_embed depth 2": lambda: (adapters.itrd_embed(6, 9, depth=2), reference.TwoLinear(6, 9), [(6,)]),
    "dcd_scales": lambda: (adapters.dcd_scales(), reference.DCDScales(), []),
    "predictor": lambda: (adapters.predictor(5, 7), reference.Predictor(5, 7), [(5,)]),
    "connector": lambda: (adapters.connector(MAPS_S, MAPS_T[:2]),
                          reference.Connector([chw(s) for s in MAPS_S], [chw(t) for t in MAPS_T[:2]]),
                          [[chw(s) for s in MAPS_S]]),
    "ofd_connector": lambda: (adapters.ofd_connector((3, 5), (4, 6)), reference.ConnectorV2((3, 5), (4, 6)),
                              [[chw(s) for s in MAPS_S]]),
    "reviewkd_fusion": lambda: reviewkd_fusion(((8, 8, 3), (4, 4, 5), (1, 1, 6)), ((8, 8, 4), (4, 4, 5), (1, 1, 7))),
    "reviewkd_fusion resized": lambda: reviewkd_fusion(((4, 4, 3), (3, 3, 5), (1, 1, 6)),
                                                       ((8, 8, 4), (2, 2, 5), (1, 1, 7))),
    "ctkd_parameter": lambda: (adapters.ctkd_parameter(), reference.CTKDParameter(), []),
    "kdpp_projector": lambda: (adapters.kdpp_projector(6, 9), reference.KDPPProjector(6, 9), [(6,)]),
    "semckd": lambda: (adapters.semckd(8, MAPS_S, MAPS_T),
                       reference.SelfA(8, [s[2] for s in MAPS_S], [t[2] for t in MAPS_T]),
                       [[chw(s) for s in MAPS_S], [chw(t) for t in MAPS_T]]),
}


def conv_reg(shape_s, shape_t, **kwargs):
    return (adapters.conv_reg(shape_s, shape_t, **kwargs), reference.ConvReg(chw(shape_s), chw(shape_t), **kwargs),
            [chw(shape_s)])


def reviewkd_fusion(shapes_s, shapes_t):
    levels = [[chw(shape) for shape in shapes] for shapes in (shapes_s, shapes_t)]
    return adapters.reviewkd_fusion(shapes_s, shapes_t), reference.ReviewKDFusion(*levels), [levels[0]]


class Both:
    """One adapter twice with the same weights, and a batch of 8 inputs."""

    def __init__(self, name):
        self.ours, self.theirs, shapes = CASES[name]()
        self.theirs = self.theirs.double()
        shapes_of = {key: tuple(value.shape) for key, value in self.theirs.state_dict().items()}
        state = golden_data.state_dict(shapes_of, f"parity:{name}:")
        self.theirs.load_state_dict({k: torch.from_numpy(v) for k, v in state.items()})
        variables = from_state_dict(self.ours, state)
        self.variables = jax.tree.map(lambda x: jnp.asarray(x, jnp.float64), variables)
        rng = np.random.default_rng(11)
        is_shape = lambda s: isinstance(s, tuple) and all(isinstance(n, int) for n in s)
        self.inputs = jax.tree.map(lambda s: rng.standard_normal((8, *s)), shapes, is_leaf=is_shape)


@pytest.mark.parametrize("name", CASES)
def test_adapter_agrees_in_outputs_statistics_and_every_gradient(name):
    both = Both(name)
    inputs, named_ = to_torch(both.inputs, grad=True), dict(both.theirs.named_parameters())
    theirs = jax.tree.leaves(tuple_of(both.theirs.train()(*inputs)))
    rng = np.random.default_rng(3)
    probes = [rng.standard_normal(tuple(t.shape)) for t in theirs]
    loss = sum((t * torch.from_numpy(p)).sum() for t, p in zip(theirs, probes))
    leaves = jax.tree.leaves(inputs)
    want = torch.autograd.grad(loss, [*leaves, *named_.values()])

    def objective(inputs, params):
        variables = {"params": params, "batch_stats": both.variables["batch_stats"]}
        out, stats = both.ours.apply(variables, *inputs, train=True)
        out = jax.tree.leaves(tuple_of(out))
        return sum((a * nhwc(p)).sum() for a, p in zip(out, probes)), (out, stats)

    grads, (out, stats) = jax.jit(jax.grad(objective, (0, 1), has_aux=True))(
        to_jax(both.inputs), both.variables["params"])
    for i, (got, t) in enumerate(zip(from_jax(out), theirs, strict=True)):
        check("adapter", name, got, t.detach().numpy(), what=f"output {i}")
    largest = max(float(g.abs().max()) for g in want)
    for got, wanted in zip(from_jax(grads[0]), want):
        check("adapter_grad", name, got, wanted.numpy(), what="input", floor=1e-3 * largest)
    back = to_state_dict(both.ours, {"params": grads[1], "batch_stats": stats})
    for key, wanted in zip(named_, want[len(leaves):], strict=True):
        check("adapter_grad", name, back[key], wanted.numpy(), what=key, floor=1e-3 * largest)
    for key, value in both.theirs.state_dict().items():
        if key.endswith(("running_mean", "running_var")):
            check("adapter", name, back[key], value.numpy(), what=key)


def tuple_of(out):
    return out if isinstance(out, tuple | list) else (out,)


def test_dropout_of_given_values_agrees():
    both = Both("kdpp_projector")
    keep = np.random.default_rng(5).random((8, 6)) < 0.5
    got, _ = both.ours.apply(both.variables, *to_jax(both.inputs), jnp.asarray(keep), train=True)
    want = both.theirs.train()(*to_torch(both.inputs), torch.from_numpy(keep))
    check("adapter", "kdpp_projector", got, want.detach().numpy(), what="with dropout")


WITH_STATISTICS = ["conv_reg stride", "connector", "reviewkd_fusion resized", "paraphraser with bn",
                   "simkd_projector", "predictor"]


@pytest.mark.parametrize("name", WITH_STATISTICS)
def test_adapter_agrees_in_eval_mode(name):
    both = Both(name)
    out, stats = both.ours.apply(both.variables, *to_jax(both.inputs), train=False)
    with torch.no_grad():
        theirs = tuple_of(both.theirs.eval()(*to_torch(both.inputs)))
    for got, want in zip(from_jax(tuple_of(out)), theirs, strict=True):
        check("adapter", name, got, want.numpy(), what="eval")
    assert all(jax.tree.leaves(jax.tree.map(lambda a, b: bool((a == b).all()), stats, both.variables["batch_stats"])))


def test_fresh_scales_start_where_the_originals_do():
    key = jax.random.key(0)
    ours = adapters.vid_regressor((4, 4, 3), (4, 4, 5)).init(key)["params"]["log_scale"]
    check("adapter", "vid_regressor", ours, reference.VIDRegressor(3, 5).double().log_scale.detach(), dtype="float32")
    rho = adapters.vid_seed_regressor((4, 4, 3), (4, 4, 5)).init(key)["params"]["variance_param"]
    check("adapter", "vid_seed_regressor", rho, reference.VIDSeedRegressor(3, 5).variance_param.detach(),
          dtype="float32")


def test_every_adapter_of_kdjax_is_compared():
    assert {name.split(" ")[0] for name in CASES} == set(adapters.__all__)
