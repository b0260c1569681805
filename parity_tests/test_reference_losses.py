"""The torch reference reproduces the original modules: every case of golden/losses, values and gradients."""
import numpy as np
import pytest
import torch

from parity_tests import golden_data
from parity_tests.reference import losses
from parity_tests.reference.losses.ops import raw_normalize
from parity_tests.tolerances import check, error

FILES = {p.stem: p for p in golden_data.files("losses") if p.stem not in ("adapters", "prsd_density")}


def leaf(x):
    """A float64 leaf that wants a gradient; integers as they are."""
    t = torch.from_numpy(np.array(x))
    return t.double().requires_grad_() if t.is_floating_point() else t


class Grads:
    """Collects the leaves of one case and compares their gradients afterwards."""

    def __init__(self, case):
        self.case, self.leaves = case, {}

    def __call__(self, name):
        self.leaves[name] = leaf(self.case[name])
        return self.leaves[name]

    def many(self, name):
        return [self(f"{name}_{i}") for i in range(self.case.count(name))]

    def check(self, name, loss):
        case = self.case
        check("golden_loss", name, loss.item(), case["loss64"], what=case.h)
        wanted = [n for n in self.leaves if "grad_" + n in case]
        grads = torch.autograd.grad(loss, [self.leaves[n] for n in wanted], allow_unused=True) if wanted else []
        for leaf_name, got in zip(wanted, grads, strict=True):
            want = case["grad_" + leaf_name]
            got = np.zeros_like(want) if got is None else got.numpy()
            check("golden_loss_grad", name, got, want, what=f"{leaf_name} {case.h}", floor=1e-5)


def pick(case, *names):
    return {n: case.h[n] for n in names if n in case.h}


def state(case):
    norms = {n: torch.tensor(case.h[n + "_in"], dtype=torch.float64) for n in ("norm_s", "norm_t")}
    norms = {n: None if value < 0 else value for n, value in norms.items()}
    index, rows = torch.from_numpy(case["contrast_idx"]), torch.from_numpy(case["idx"])
    banks = {n: torch.from_numpy(case["memory_" + n]).double() for n in "st"}
    return norms, index, rows, banks


def memory_loss(g, *names):
    """CRD and RRD on banks: the loss, and the banks and constants after it."""
    case = g.case
    norms, index, rows, banks = state(case)
    z = {n: g("z_" + n) for n in "st"}
    fn = getattr(losses, "rrd_momentum" if "temperature_s" in case.h else "crd")
    loss, new_norms = fn(z["s"], z["t"], banks["s"][index], banks["t"][index], **pick(case, *names), **norms)
    for n, norm in zip("st", new_norms, strict=True):
        assert error(norm.detach(), case["new_norm_" + n]) < 1e-9
        bank = banks[n].clone()
        bank[rows] = losses.memory_update(bank[rows], z[n], momentum=case.h["momentum"])
        assert error(bank, case["new_memory_" + n]) < 1e-9
    return loss


def queue_loss(g, fn, *names):
    """CRD and RRD on a queue, keys enqueued first."""
    case = g.case
    z_s, z_t = g("z_s"), g("z_t")
    queue, ptr = losses.queue_enqueue(torch.from_numpy(case["queue"]).double(), case.h["ptr_in"], z_t)
    assert ptr == case["new_ptr"] and error(queue, case["new_queue"]) < 1e-9
    return fn(z_s, z_t, queue, **pick(case, *names))


def ops_loss(g):
    case, x = g.case, g("x")
    out = {"adaptive_avg_pool": lambda: losses.adaptive_avg_pool(x, case.h.get("out_size")),
           "l2_normalize": lambda: losses.l2_normalize(x),
           "smooth_l1": lambda: losses.smooth_l1(x, torch.zeros_like(x))}[case.h["op"]]()
    assert error(out.detach(), case["out"]) < 1e-9
    return (out * torch.from_numpy(case["probe"]).double()).sum()


def kdsvd_loss(g):
    v_t = [torch.from_numpy(v) for v in g.case.many("v_t")]
    return losses.kdsvd(g.many("g_s"), g.many("g_t"), k=g.case.h["k"], v_t=v_t)


def prsd_loss(g):
    chosen = [[torch.from_numpy(x).double() for x in g.case.many(n)] for n in ("prototypes", "proto_density")]
    return losses.prsd(g("z_s"), g("z_ss"), *chosen, **pick(g.case, "temperature"))


def semckd_loss(g):
    case = g.case
    shape = case["weights"].shape
    grid = [[(f"proj_{i}_{j}", f"target_{i}_{j}") for j in range(shape[2])] for i in range(shape[1])]
    proj, target = ([[g(pair[n]) for pair in row] for row in grid] for n in (0, 1))
    return losses.semckd(proj, target, g("weights"))


def srrl_loss(g):
    """grad_trans_s is a total derivative: the teacher head sits between trans_s and pred_s."""
    trans_s, weight, bias = g("trans_s"), g("p_cls_t__weight"), g("p_cls_t__bias")
    return losses.srrl(trans_s, g("f_t"), trans_s @ weight.T + bias, g("logits_t"))


def itrd_mutual_loss(g):
    return losses.itrd_mutual(g("z_s") if "z_s" in g.case else g("f_s"), g("f_t"))


def pair(fn, *hparams, names=("f_s", "f_t")):
    return lambda g: fn(*[g(n) for n in names], **pick(g.case, *hparams))


BANK = ("n_data", "temperature", "temperature_s", "temperature_t", "eps")
CASES = {
    "kl_divergence": pair(losses.kl_divergence, "temperature", names=("logits_s", "logits_t")),
    "dkd": pair(losses.dkd, "alpha", "beta", "temperature", names=("logits_s", "logits_t", "labels")),
    "wsld": pair(losses.wsld, "alpha", "temperature", "label_smoothing", names=("logits_s", "logits_t", "labels")),
    "hint": pair(losses.hint),
    "attention": pair(losses.attention, "p"),
    "similarity": pair(losses.similarity),
    "vid": pair(losses.vid, "eps", names=("pred_mean", "p_log_scale", "f_t")),
    "factor_transfer": pair(losses.factor_transfer, "p1", "p2"),
    "nst": pair(losses.nst),
    "ickd": pair(losses.ickd, names=("z_s", "f_t")),
    "simkd": pair(losses.simkd, names=("trans_s", "f_t")),
    "activation_boundary": lambda g: losses.activation_boundary(g.many("g_s"), g.many("g_t"), **pick(g.case, "margin")),
    "fsp": lambda g: losses.fsp(g.many("g_s"), g.many("g_t")),
    "kdsvd": kdsvd_loss,
    "correlation_congruence": pair(losses.correlation_congruence, names=("e_s", "e_t")),
    "rkd": pair(losses.rkd, "distance_weight", "angle_weight"),
    "pkt": pair(losses.pkt, "eps"),
    "ega": pair(losses.ega, "node_weight", "edge_weight", names=("e_s", "e_t")),
    "itrd_correlation": pair(losses.itrd_correlation, "alpha", names=("z_s", "f_t")),
    "itrd_mutual": itrd_mutual_loss,
    "dcd": pair(losses.dcd, "alpha", "max_tau", names=("z_s", "z_t", "p_params__tau", "p_params__b")),
    "srrl": srrl_loss,
    "crd": lambda g: memory_loss(g, *BANK),
    "rrd_momentum": lambda g: memory_loss(g, *BANK[:-1]),
    "crd_fifo": lambda g: queue_loss(g, losses.crd_fifo, "temperature"),
    "rrd": lambda g: queue_loss(g, losses.rrd, "temperature_s", "temperature_t"),
    "prsd": prsd_loss,
    "semckd": semckd_loss,
    "ops": ops_loss,
}


@pytest.mark.parametrize("name", FILES)
def test_reference_agrees_with_the_original_module(name):
    for case in golden_data.loss_cases(FILES[name]):
        grads = Grads(case)
        grads.check(name, CASES[name](grads))


def test_every_loss_of_the_spec_has_golden_numbers():
    assert set(CASES) <= set(FILES)
    helpers = {"adaptive_avg_pool", "l2_normalize", "smooth_l1", "memory_update", "queue_enqueue", "semckd_weights",
               "prsd_density", "scale_gradient", "ctkd_scale", "ctkd_temperature"}
    modern = {p.stem for p in golden_data.files("modern")}  # compared in test_reference_modern.py
    programs = {"prototype_relation"}  # in test_ds_srd.py
    assert set(losses.__all__) - helpers <= set(CASES) | modern | programs


def test_prsd_density_agrees_with_the_original():
    for case in golden_data.loss_cases(golden_data.LOCAL / "losses" / "prsd_density.npz"):
        got = losses.prsd_density(case["sq_dist"], case["assign"], case.h["k"], temperature=case.h["temperature"])
        assert error(got, case["density"]) < 1e-9


def test_semckd_attention_comes_from_batch_similarities():
    for case in golden_data.loss_cases(FILES["semckd"]):
        rows = [torch.stack([_mlp(case, f"p_{kind}_{i}", f) for i, f in enumerate(case.many(maps))], dim=1)
                for kind, maps in (("query", "g_s"), ("key", "g_t"))]
        weights = losses.semckd_weights(*rows, soft=case.h["soft"])
        assert error(weights, case["weights"]) < 1e-9


def _mlp(case, name, f):
    flat = torch.from_numpy(f).double().flatten(1)
    x = flat @ flat.T
    for layer in ("linear1", "linear2"):
        weight, bias = (torch.from_numpy(case[f"{name}__{layer}__{n}"]).double() for n in ("weight", "bias"))
        x = (x.relu() if layer == "linear2" else x) @ weight.T + bias
    return raw_normalize(x)
