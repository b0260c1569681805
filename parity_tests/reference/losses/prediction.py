"""A batch of predictions as a matrix; spec/modern_methods.md 4.1, 4.3."""
import torch
import torch.nn.functional as F

from parity_tests.reference.losses.ops import gram
from parity_tests.reference.losses.response import kl_divergence
from parity_tests.reference.losses.temperature import standardize_logits


def dist(logits_s, logits_t, *, beta=1.0, gamma=1.0, temperature=4.0, eps=1e-8):
    """1 - Pearson correlation of the probabilities, by samples and by classes (Huang et al., NeurIPS 2022)."""
    def rho(a, b):
        a, b = a - a.mean(1, keepdim=True), b - b.mean(1, keepdim=True)
        return ((a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1) + eps)).mean()

    p_s, p_t = F.softmax(logits_s / temperature, 1), F.softmax(logits_t / temperature, 1)
    return temperature**2 * (beta * (1 - rho(p_s, p_t)) + gamma * (1 - rho(p_s.T, p_t.T)))


def mlkd(weak_s, weak_t, strong_s, strong_t, *, temperature=4.0, standardize=False):
    """Instance, class and batch level over five temperatures (Jin et al., CVPR 2023), as coded: masks are numbers."""
    with torch.no_grad():
        p = F.softmax(weak_t, 1)
        m, mc = (_at_most_the_median(x) for x in (p.max(1).values, p.sum(0)))
    cc = bc = 0.0
    for t in (temperature, 3.0, 5.0, 2.0, 6.0):
        q_s, q_t = F.softmax(weak_s / t, 1), F.softmax(weak_t / t, 1)
        cc = cc + mc * (gram(q_t.T) - gram(q_s.T)).pow(2).sum() / q_s.shape[1]
        bc = bc + m * (gram(q_t) - gram(q_s)).pow(2).sum() / q_s.shape[0]
    if standardize:
        weak_s, weak_t, strong_s, strong_t = (standardize_logits(x) for x in (weak_s, weak_t, strong_s, strong_t))
    kd = 0.0
    for t in (temperature, 3.0, 5.0, 2.0, 6.0):
        kd = kd + m * kl_divergence(weak_s, weak_t, temperature=t)
    for t in (temperature, 3.0, 5.0):
        kd = kd + kl_divergence(strong_s, strong_t, temperature=t)
    for t in (2.0, 6.0):
        kd = kd + kl_divergence(weak_s, weak_t, temperature=t)
    return kd, cc, bc


def _at_most_the_median(x):
    return (x <= torch.quantile(x, 0.5, interpolation="linear")).to(x.dtype).mean()
