"""Losses on logits; spec/losses.md 4."""
import torch
import torch.nn.functional as F

from parity_tests.reference.losses.ops import batch_kl, masked_logsumexp


def kl_divergence(logits_s, logits_t, *, temperature=4.0):
    """T^2 KL(softmax(t/T) || softmax(s/T)), mean over the batch (Hinton, Vinyals & Dean 2015)."""
    log_t = F.log_softmax(logits_t / temperature, dim=1)
    log_s = F.log_softmax(logits_s / temperature, dim=1)
    return batch_kl(log_t, log_s) * temperature**2


def dkd(logits_s, logits_t, labels, *, alpha=1.0, beta=8.0, temperature=4.0):
    """alpha * target-class KD + beta * non-target KD (Zhao et al., CVPR 2022).

    The released code sums probabilities and takes the log afterwards; the log-sum-exp form here is equal wherever that
    one is finite. Its non-target part masks the label by subtracting 1000, which is kept.
    """
    target = F.one_hot(labels, logits_s.shape[1]).bool()

    def binary(logits):
        log_p = F.log_softmax(logits / temperature, dim=1)
        return torch.stack([masked_logsumexp(log_p, target), masked_logsumexp(log_p, ~target)], dim=1)

    def others(logits):
        return F.log_softmax(logits / temperature - 1000.0 * target, dim=1)

    target_part = batch_kl(binary(logits_t), binary(logits_s))
    other_part = batch_kl(others(logits_t), others(logits_s))
    return (alpha * target_part + beta * other_part) * temperature**2


def wsld(logits_s, logits_t, labels, *, temperature=2.0, alpha=2.5, label_smoothing=0.0):
    """Label loss plus a soft cross entropy, each sample weighted by student CE / teacher CE (Zhou et al., ICLR 2021).

    Contains its own hard loss. The weights are detached.
    """
    soft = -(F.softmax(logits_t / temperature, 1) * F.log_softmax(logits_s / temperature, 1)).sum(1)
    hard_s = F.cross_entropy(logits_s, labels, reduction="none").detach()
    hard_t = F.cross_entropy(logits_t, labels, reduction="none").detach()
    weight = 1 - torch.exp(-(hard_s / (hard_t + 1e-7)).clamp(min=0))
    hard = F.cross_entropy(logits_s, labels, label_smoothing=label_smoothing)
    return hard + alpha * temperature**2 * (weight * soft).mean()


def nkd(logits_s, logits_t, labels, *, gamma=1.5, temperature=1.0):
    """Cross entropies: the label's share at temperature 1, the other classes alone at T (Yang et al., ICCV 2023)."""
    at = torch.arange(len(labels)), labels
    target = -(F.softmax(logits_t, 1)[at].detach() * F.log_softmax(logits_s, 1)[at]).mean()
    keep = ~F.one_hot(labels, logits_s.shape[1]).bool()

    def others(logits):
        return (logits[keep].view(len(labels), -1)) / temperature

    rest = -(F.softmax(others(logits_t), 1) * F.log_softmax(others(logits_s), 1)).sum(1).mean()
    return target + gamma * temperature**2 * rest


def transformed(logits_t, power):
    """([B, C] log of p_t^power normalised, [B] the sum it was divided by)."""
    powers = F.log_softmax(logits_t, 1) * power
    return F.log_softmax(powers, 1), powers.logsumexp(1).exp()


def ttm(logits_s, logits_t, *, power=0.1):
    """KL of the power-transformed teacher and the plain student (Zheng & Yang, ICLR 2024)."""
    return batch_kl(transformed(logits_t, power)[0], F.log_softmax(logits_s, 1))


def wttm(logits_s, logits_t, *, power=0.1):
    """The same, each sample times the sum of its teacher's powers."""
    log_q, weight = transformed(logits_t, power)
    return (weight * (log_q.exp() * (log_q - F.log_softmax(logits_s, 1))).sum(1)).mean()


def rld(logits_s, logits_t, labels, *, alpha=1.0, beta=8.0, temperature=4.0, alpha_temperature=1.0):
    """Confidence of the teacher's best class against the student's label, and the classes that the teacher ranks below
    the label (ICCV 2025)."""
    classes = logits_s.shape[1]

    def binary(logits, index):
        log_p, chosen = F.log_softmax(logits / alpha_temperature, 1), F.one_hot(index, classes).bool()
        return torch.stack([masked_logsumexp(log_p, chosen), masked_logsumexp(log_p, ~chosen)], dim=1)

    confidence = batch_kl(binary(logits_t, logits_t.argmax(1)), binary(logits_s, labels))
    masked = logits_t >= logits_t.gather(1, labels[:, None])
    below = [F.log_softmax((x / temperature).masked_fill(masked, -1e9), 1) for x in (logits_t, logits_s)]
    return alpha * alpha_temperature**2 * confidence + beta * temperature**2 * batch_kl(*below)
