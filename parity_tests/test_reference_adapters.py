"""The torch reference adapters reproduce the original ones: outputs, running statistics, and gradients where stored."""
import pytest
import torch

from parity_tests import golden_data
from parity_tests.reference import adapters
from parity_tests.tolerances import check

MAKE = {  # golden/models/adapters file -> the module
    "convreg_down": lambda: adapters.ConvReg((6, 16, 16), (10, 8, 8)),
    "convreg_norelu": lambda: adapters.ConvReg((6, 16, 16), (10, 8, 8), use_relu=False),
    "convreg_up": lambda: adapters.ConvReg((6, 4, 4), (10, 8, 8)),
    "convreg_same": lambda: adapters.ConvReg((6, 8, 8), (10, 8, 8)),
    "convreg_valid": lambda: adapters.ConvReg((6, 10, 10), (10, 7, 7)),
    "convreg_disti_small": lambda: adapters.ConvReg((6, 4, 4), (10, 7, 7), small=True),
    "connector": lambda: adapters.Connector([(6, 8, 8), (8, 8, 8), (10, 4, 4), (5, 4, 4)],
                                            [(6, 8, 8), (12, 8, 8), (10, 8, 8), (9, 2, 2)]),
    "connector_v2": lambda: adapters.ConnectorV2((6, 8), (6, 12)),
    "ofd_connector_k1": lambda: adapters.ConnectorV2((6, 8), (10, 12)),
    "reviewkd_abf_fuse": lambda: adapters.ABF(6, 8, 10, True),
    "reviewkd_abf_nofuse": lambda: adapters.ABF(6, 8, 10, False),
    "ofd_connector_k3": lambda: adapters.ConnectorV2((6,), (10,), kernel=3),
    "paraphraser": lambda: adapters.Paraphraser(12),
    "paraphraser_bn_k075": lambda: adapters.Paraphraser(12, k=0.75, use_bn=True),
    "translator": lambda: adapters.Translator(10, 12),
    "regress": lambda: adapters.Regress(96, 20),
    "embed": lambda: adapters.Embed(96, 20),
    "linear_embed": lambda: adapters.LinearEmbed(64, 20),
    "mlp_embed": lambda: adapters.MLPEmbed(64, 20),
    "itrd_embed_n1": lambda: adapters.LinearEmbed(32, 20),
    "itrd_embed_n2": lambda: adapters.TwoLinear(32, 20),
    "itrd_convenc": lambda: adapters.ConvEnc(6),
    "vid_regressor": lambda: adapters.VIDRegressor(6, 10).regressor,
    "ickd_embed": lambda: adapters.ICKDEmbed(6, 10),
    "semckd_proj": lambda: adapters.Proj(6, 10),
    "semckd_mlpembed": lambda: adapters.MLPEmbed(16, 4, spare=True),
    "srrl_transfer": lambda: adapters.SRRLTransfer(6, 12),
    "simkd_proj_down": lambda: adapters.SimKDProjector(6, 12),
    "linear_classifier": lambda: adapters.LinearClassifier(32, 10),
}
# Of repositories or programs that kdjax does not rebuild: pooled embeddings, auxiliary heads, a generator.
ELSEWHERE = {"branchconv_fc1", "branchconv_fc3", "dfkd_generator", "nonlinear_classifier", "poolembed_l0",
             "poolembed_l1", "poolembed_l2", "poolembed_l2_max", "poolembed_l3", "poolembed_l4"}
FILES = {p.stem: p for p in golden_data.files("models/adapters")}


def outputs(module, inputs):
    """The module's outputs as a list; connectors take the list of maps, everything else its only input."""
    if isinstance(module, adapters.ABF):
        return list(module(inputs[0], inputs[-1], 8))
    out = module(inputs if hasattr(module, "connectors") else inputs[0])
    return list(out) if isinstance(out, list | tuple) else [out]


@pytest.mark.parametrize("name", MAKE)
def test_reference_adapter_agrees_with_the_original(name):
    golden = golden_data.read(FILES[name])
    meta, module = golden["meta"], MAKE[name]().double()
    assert [[k, list(v.shape)] for k, v in module.state_dict().items()] == [row[:2] for row in golden["manifest"]]
    state = {k: golden_data.tensor(k, shape, meta["salt"], meta["gain"]) for k, shape, _ in golden["manifest"]}
    module.load_state_dict({k: torch.from_numpy(v) for k, v in state.items()})
    inputs = [torch.from_numpy(x) for x in golden_data.adapter_inputs(meta)]
    for mode in ("eval", "train"):
        got = outputs(module.train(mode == "train"), inputs)
        assert len(got) == meta["n_outputs"]
        for i, out in enumerate(got):
            check("golden_adapter", name, out.detach(), golden[f"{mode}_out{i}"], what=f"{mode} output {i}")
    for key in (k for k in golden if k.startswith("train_stat:")):
        check("golden_adapter", name, module.state_dict()[key.removeprefix("train_stat:")], golden[key], what=key)


def test_every_golden_adapter_is_either_built_or_named_as_not_ours():
    assert set(FILES) <= set(MAKE) | ELSEWHERE


KINDS = {
    "conv_reg": lambda h: adapters.ConvReg(_square(h["s_shape"]), _square(h["t_shape"]), use_relu=h["use_relu"]),
    "paraphraser": lambda h, c: adapters.Paraphraser(c, h["k"], h["use_bn"]),
    "paraphraser_encode": lambda h, c: adapters.Paraphraser(c, h["k"], h["use_bn"]),
    "linear_embed": lambda h, i, o: adapters.LinearEmbed(i, o),
    "embed_l2": lambda h, i, o: adapters.Embed(i, o),
}


def _square(shape):
    return (shape[0], shape[1], shape[1])


def made(case):
    """The module of one case of golden/losses/adapters.npz, and the function of x that the case is about."""
    h, kind = case.h, case.h["kind"]
    parameters = case.parameters()
    if kind == "conv_reg":
        return (module := KINDS[kind](h)), module
    if kind == "translator":
        z = parameters["encoder.6.weight"].shape[0]
        return (module := adapters.Translator(case["x"].shape[1], round(z / h["k"]), h["k"], h["use_bn"])), module
    if kind.startswith("paraphraser"):
        module = KINDS[kind](h, case["x"].shape[1])
        return module, (module.encoder if kind.endswith("encode") else lambda x: module(x)[1])
    outputs_, inputs_ = parameters["linear.weight"].shape
    return (module := KINDS[kind](h, inputs_, outputs_)), module


def test_reference_adapters_agree_in_every_gradient():
    for i, case in enumerate(golden_data.loss_cases(golden_data.LOCAL / "losses" / "adapters.npz")):
        module, apply = made(case)
        module.double().train()
        own = dict(module.named_parameters())
        for name, value in case.parameters().items():
            own[name].data = torch.from_numpy(value).double()
        x = torch.from_numpy(case["x"]).double().requires_grad_()
        out = apply(x)
        subject = f"{case.h['kind']} {i}"
        check("golden_adapter", subject, out.detach(), case["out"], what="output")
        loss = (out * torch.from_numpy(case["probe"]).double()).sum()
        leaves = {"x": x, **{"p_" + name: own[name] for name in case.parameters()}}
        for (name, _), grad in zip(leaves.items(), torch.autograd.grad(loss, leaves.values(), allow_unused=True),
                                   strict=True):
            key = "grad_" + name.replace(".", "__")
            if key in case and grad is not None:
                check("golden_loss_grad", subject, grad, case[key], what=key)
        for key in case.keys("new_"):
            state = module.state_dict()[key.removeprefix("new_").replace("__", ".")]
            check("golden_adapter", subject, state, case[key], what=key)
