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
