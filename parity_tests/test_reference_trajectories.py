"""The torch reference repeats the original programs step by step: all of golden/trajectories."""
import numpy as np
import pytest
import torch

from parity_tests import golden_data, modern_cases, trajectory
from parity_tests.reference import methods, networks, replay, sgd
from parity_tests.tolerances import check

FILES = {p.stem: p for p in golden_data.files("trajectories")}


@pytest.mark.usefixtures("torch_alone")
@pytest.mark.parametrize("name", FILES)
def test_reference_repeats_the_original_run(name):
    golden = golden_data.read(FILES[name])
    run = replay.replay(golden)
    for aspect, err in trajectory.compare(golden, run).items():
        check("golden_trajectory", name, err, 0.0, scale=1.0, what=aspect)
    meta = golden["meta"]
    assert set(run.main.first_gradients) == set(meta["trainable"])
    assert {n for n, g in run.main.first_gradients.items() if g is None} == set(meta["grad_none"])
    if run.pre:
        assert set(run.pre.first_gradients) == set(meta["pre_stage"]["trainable"])


def test_every_golden_batch_is_regenerated():
    for path in FILES.values():
        golden = golden_data.read(path)
        batches = golden_data.batches(golden["meta"])
        for key in ("labels", "index"):
            assert np.array_equal([b[key] for b in batches], golden[key])
        if "contrast_idx" in golden:
            assert np.array_equal([b["contrast"] for b in batches], golden["contrast_idx"])


def test_a_replay_notices_a_batch_norm_that_forgets_the_unbiased_variance(monkeypatch):
    def biased(self, x):
        n = x.numel() // x.shape[1]
        before = self.running_var.clone()
        out = torch.nn.functional.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias,
                                             self.training, 0.1, self.eps)
        if self.training:
            self.running_var.data.copy_(0.9 * before + (self.running_var - 0.9 * before) * (n - 1) / n)
        return out

    monkeypatch.setattr(torch.nn.BatchNorm2d, "forward", biased)
    golden = golden_data.read(FILES["kd__same"])
    assert trajectory.compare(golden, replay.replay(golden))["final"] > 1e-4


def test_sgd_is_torch_sgd():
    torch.manual_seed(0)
    ours = {n: torch.randn(shape).double() for n, shape in (("a", (3, 2)), ("b", (4,)), ("unused", (2,)))}
    theirs = {n: p.clone().requires_grad_() for n, p in ours.items()}
    mine = sgd.SGD(ours, lr=0.1)
    torchs = torch.optim.SGD(theirs.values(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    for _ in range(4):
        grads = {n: None if n == "unused" else torch.randn_like(p) for n, p in ours.items()}
        mine.step(grads)
        for n, g in grads.items():
            theirs[n].grad = g
        torchs.step()
    assert all(torch.allclose(ours[n], theirs[n], rtol=0, atol=1e-15) for n in ours)


def test_schedules_match_the_protocol():
    assert [round(sgd.step_lr(0.05, e) / 0.05, 9) for e in (1, 150, 151, 180, 181, 210, 211, 240)] == [
        1, 1, 0.1, 0.1, 0.01, 0.01, 0.001, 0.001]
    assert sgd.cosine_lr(0.05, 1, 240) == 0.05 and abs(sgd.cosine_lr(0.05, 240, 240, offset=1)) < 1e-17


class OnePass:
    """A student and a teacher whose channels agree, for the methods that no golden trajectory covers."""

    def __init__(self, name, **options):
        torch.manual_seed(1)
        self.student, self.teacher = (networks.build(n, num_classes=5) for n in ("resnet8", "resnet14"))
        views = [methods.Shapes.of(n, net) for n, net in (("resnet8", self.student), ("resnet14", self.teacher))]
        self.method = methods.build(name, *views, **options)
        self.batch = {"images": torch.randn(8, 3, 32, 32).double(), "labels": torch.arange(8) % 5,
                      "index": torch.arange(8), "contrast": torch.randint(0, 16, (8, 5))}

    def steps(self, memory, count=2):
        everyone = self.student, self.teacher, self.method
        return replay.step.train(*everyone, [self.batch] * count, memory, replay.step.Weights(), lr=0.01)


UNCOVERED = {"kdsvd": {}, "ega": {}, "wsld": {}, "dkd": {}, "semckd": {"batch_size": 8}, "srrl": {}, "simkd": {},
             "crd_fifo": {}, "rrd_momentum": {"n_data": 16}}


@pytest.mark.parametrize("name", UNCOVERED)
def test_methods_without_a_golden_trajectory_take_finite_steps(name):
    player = OnePass(name, **UNCOVERED[name])
    unit = torch.nn.functional.normalize(torch.randn(16, 128).double(), dim=1)
    memory = {"crd_fifo": {"queue": unit, "ptr": 0},
              "rrd_momentum": {"bank_s": unit, "bank_t": unit, "norm_s": None, "norm_t": None}}.get(name, {})
    results, after = player.steps(memory)
    assert all(torch.isfinite(r.terms["total"]) for r in results)
    if name == "kdsvd":  # dead channels make torch's SVD gradient NaN, in the original too
        return
    assert all(g is None or torch.isfinite(g).all() for r in results for g in r.gradients.values())
    moved = {n for n, g in results[0].gradients.items() if n.startswith("adapter:") and g is not None}
    expected = {n for n in results[0].gradients if n.startswith("adapter:")}
    if name == "rrd_momentum":
        assert expected - moved == {"adapter:embed_t.weight", "adapter:embed_t.bias"}
    else:
        assert moved == expected
    assert set(after) == set(memory)


def test_every_method_has_a_golden_trajectory_or_is_listed_as_uncovered():
    covered = {trajectory.method_name(golden_data.read(p)["meta"]) for p in FILES.values()}
    since = {case["method"] for case in modern_cases.CASES.values()}  # of releases whose losses alone are golden
    assert not covered & since
    assert covered | set(UNCOVERED) | since == set(methods.METHODS)
