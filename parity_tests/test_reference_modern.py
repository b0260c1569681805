"""The torch reference reproduces the released code of the methods of 2019 to 2025: every case of golden/modern."""
import pytest
import torch

from parity_tests import golden_data
from parity_tests.reference import adapters, losses
from parity_tests.test_reference_losses import Grads, pick
from parity_tests.tolerances import check, error

FILES = {p.stem: p for p in golden_data.files("modern")}
LOGITS, LABELLED = ("logits_s", "logits_t"), ("logits_s", "logits_t", "labels")


def pair(fn, *hparams, names=LOGITS):
    return lambda g: fn(*[g(n) for n in names], **pick(g.case, *hparams))


def ofd(g):
    margins = [torch.from_numpy(m).double() for m in g.case.many("margin")]
    return losses.ofd(g.many("g_s"), g.many("g_t"), margins)


def standardised(g):
    z_s, z_t = (losses.standardize_logits(g("logits_" + side)) for side in "st")
    assert error(z_s.detach(), g.case["z_s"]) < 1e-9 and error(z_t.detach(), g.case["z_t"]) < 1e-9
    if g.case.h["kind"] == "kd":
        return losses.kl_divergence(z_s, z_t, **pick(g.case, "temperature"))
    return losses.dkd(z_s, z_t, g("labels"), **pick(g.case, "alpha", "beta", "temperature"))


def mlkd(g):
    parts = losses.mlkd(*(g(n) for n in ("weak_s", "weak_t", "strong_s", "strong_t")),
                        **pick(g.case, "temperature", "standardize"))
    for part, key in zip(parts, ("kd64", "cc64", "bc64")):
        assert error(part.detach(), g.case[key]) < 1e-9
    return sum(parts)


def ctkd(g):
    at = losses.ctkd_temperature(g("param")[0], g.case.h["scale"], **pick(g.case, "t_start", "t_end"))
    assert error(at.detach(), g.case["temperature64"][0]) < 1e-9
    return losses.kl_divergence(g("logits_s"), g("logits_t"), temperature=at)


def multi_scale_pool(g):
    out = losses.multi_scale_pool(g("x"), scales=tuple(g.case.h["scales"])).transpose(1, 2)
    assert error(out.detach(), g.case["out"]) < 1e-9
    return (out * torch.from_numpy(g.case["probe"]).double()).sum()


def regions(fn, *hparams):
    return lambda g: fn(g("patch_s").transpose(1, 2), g("patch_t").transpose(1, 2), g("labels"),
                        **pick(g.case, *hparams))


CASES = {
    "ofd": ofd,
    "reviewkd": lambda g: losses.reviewkd(g.many("g_s"), g.many("g_t")),
    "dist": pair(losses.dist, "beta", "gamma", "temperature"),
    "standardize_logits": standardised,
    "mlkd": mlkd,
    "cat_kd": pair(losses.cat_kd, "resolution", "normalize", names=("cam_s", "cam_t")),
    "ctkd": ctkd,
    "nkd": pair(losses.nkd, "gamma", "temperature", names=LABELLED),
    "ttm": pair(losses.ttm, "power"),
    "wttm": pair(losses.wttm, "power"),
    "multi_scale_pool": multi_scale_pool,
    "sdd_kd": regions(losses.sdd_kd, "temperature"),
    "sdd_dkd": regions(losses.sdd_dkd, "alpha", "beta", "temperature"),
    "norm_direction": pair(losses.norm_direction, names=("e_s", "e_t", "centers", "labels")),
    "rld": pair(losses.rld, "alpha", "beta", "temperature", "alpha_temperature", names=LABELLED),
}


@pytest.mark.parametrize("name", CASES)
def test_reference_agrees_with_the_released_function(name):
    for case in golden_data.loss_cases(FILES[name]):
        grads = Grads(case)
        grads.check(name, CASES[name](grads))


def test_every_golden_file_is_compared():
    assert set(FILES) == set(CASES) | {"ofd_margin", "ctkd_steps", "adapters"}


def test_margins_agree_at_the_precision_of_the_release():
    for case in golden_data.loss_cases(FILES["ofd_margin"]):
        weight, bias = (torch.from_numpy(case[n]).double() for n in ("weight", "bias"))
        assert error(losses.ofd_margin(weight, bias), case["margin"]) < 1e-6


def test_twelve_steps_of_the_learned_temperature_agree():
    (case,) = golden_data.loss_cases(FILES["ctkd_steps"])
    h, param, velocity = case.h, torch.tensor(case["param"][0], dtype=torch.float64), 0.0
    for k, epoch in enumerate(case["epoch"]):
        param = param.detach().requires_grad_()
        scale = losses.ctkd_scale(int(epoch), **pick(case, "loops", "decay_max", "decay_min"))
        at = losses.ctkd_temperature(param, scale, **pick(case, "t_start", "t_end"))
        logits = [torch.from_numpy(case["logits_" + side][k]).double() for side in "st"]
        kl = losses.kl_divergence(*logits, temperature=at)
        (grad,) = torch.autograd.grad(h["alpha"] * kl, [param])
        velocity = h["momentum"] * velocity + grad + h["weight_decay"] * param.detach()
        param = param.detach() - h["lr"] * velocity
        assert max(error(kl.item(), case["kl64"][k]), error(scale, case["scale"][k])) < 1e-9
        assert error(param, case["param"][k + 1]) < 1e-9


def module(h):
    if h["kind"] == "ofd_connector":
        return adapters.ConnectorV2(h["s_channels"], h["t_channels"])
    square = lambda channels, sizes: [(c, size, size) for c, size in zip(channels, sizes)]
    return adapters.ReviewKDFusion(square(h["in_channels"], h["shapes"]), square(h["out_channels"], h["out_shapes"]))


def test_connectors_and_fusion_chain_agree_in_outputs_statistics_and_every_gradient():
    for i, case in enumerate(golden_data.loss_cases(FILES["adapters"])):
        subject, built = f"{case.h['kind']} {i}", module(case.h).double().train()
        own = dict(built.named_parameters())
        assert set(own) == set(case.parameters())
        for name, value in case.parameters().items():
            own[name].data = torch.from_numpy(value).double()
        x = [torch.from_numpy(v).double().requires_grad_() for v in case.many("x")]
        outs = built(x)
        for j, (out, want) in enumerate(zip(outs, case.many("out"), strict=True)):
            check("golden_adapter", subject, out.detach(), want, what=f"output {j}")
        loss = sum((o * torch.from_numpy(p).double()).sum() for o, p in zip(outs, case.many("probe")))
        leaves = {f"grad_x_{j}": v for j, v in enumerate(x)}
        leaves |= {"grad_p_" + name.replace(".", "__"): v for name, v in own.items()}
        for (key, _), grad in zip(leaves.items(), torch.autograd.grad(loss, leaves.values()), strict=True):
            if key in case:
                check("golden_loss_grad", subject, grad, case[key], what=key, floor=1e-5)
        for key in case.keys("new_"):
            state = built.state_dict()[key.removeprefix("new_").replace("__", ".")]
            check("golden_adapter", subject, state, case[key], what=key)
