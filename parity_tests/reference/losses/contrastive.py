"""Contrastive losses, with their banks and queues; spec/losses.md 6.7 and 7. All z are unit rows already."""
import torch
import torch.nn.functional as F

from parity_tests.reference.losses.ops import batch_kl, raw_normalize


def dcd(z_s, z_t, tau, b, *, alpha=0.5, max_tau=10.0):
    """InfoNCE over the batch plus alpha * KL of column- against row-wise softmax (Giakoumoglou & Stathaki 2024).

    Nothing is detached. b cancels in both softmaxes.
    """
    scale = tau.exp().clamp(0, max_tau)
    a = scale * z_s @ z_t.T + b
    contrast = F.cross_entropy(a, torch.arange(len(a), device=a.device))
    consistency = batch_kl(F.log_softmax(a, dim=0).T, F.log_softmax(a, dim=1))
    return contrast + alpha * consistency


def crd(z_s, z_t, mem_s, mem_t, *, n_data, temperature=0.07, norm_s=None, norm_t=None, eps=1e-7):
    """Contrastive representation distillation against two banks (Tian et al., ICLR 2020).

    mem_s, mem_t: [B, K + 1, D] rows of the student and the teacher bank, column 0 the positive. The student is scored
    against the teacher bank and the reverse. Returns the loss and the two normalisers (set here if None).
    """
    o_s, norm_s = _scores(z_s, mem_t, temperature, n_data, norm_s)
    o_t, norm_t = _scores(z_t, mem_s, temperature, n_data, norm_t)
    return _nce(o_s, n_data, eps) + _nce(o_t, n_data, eps), (norm_s, norm_t)


def _scores(z, mem, temperature, n_data, norm):
    o = torch.exp(torch.einsum("bkd,bd->bk", mem.detach(), z) / temperature)
    if norm is None:
        norm = (o.mean() * n_data).detach()
    return o / norm, norm


def _nce(o, n_data, eps):
    noise = (o.shape[1] - 1) / n_data
    positive = torch.log(o[:, 0] / (o[:, 0] + noise + eps)).sum()
    negative = torch.log(noise / (o[:, 1:] + noise + eps)).sum()
    return -(positive + negative) / len(o)


def crd_fifo(z_s, z_t, queue, *, temperature=0.07):
    """InfoNCE of each student row with its teacher row against a queue (distillers' `crd` with its default memory)."""
    positive = (z_s * z_t).sum(1, keepdim=True)
    logits = torch.cat([positive, z_s @ queue.detach().T], dim=1) / temperature
    return F.cross_entropy(logits, torch.zeros(len(z_s), dtype=torch.long, device=z_s.device))


def rrd(z_s, z_t, queue, *, temperature_s=0.1, temperature_t=0.02):
    """Cross entropy of the student's similarities to a queue with the teacher's (Giakoumoglou & Stathaki 2024).

    The teacher's distribution is detached: its projection is never trained.
    """
    queue = queue.detach()
    return _soft_cross_entropy(z_s @ queue.T / temperature_s, z_t @ queue.T / temperature_t)


def rrd_momentum(z_s, z_t, mem_s, mem_t, *, n_data, temperature=0.07, temperature_s=0.1, temperature_t=0.02,
                 norm_s=None, norm_t=None):
    """RRD over CRD's banks: softmax of scores that are exponentiated and divided by Z already, as released."""
    o_s, norm_s = _scores(z_s, mem_t, temperature, n_data, norm_s)
    o_t, norm_t = _scores(z_t, mem_s, temperature, n_data, norm_t)
    return _soft_cross_entropy(o_s / temperature_s, o_t / temperature_t), (norm_s, norm_t)


def _soft_cross_entropy(logits_s, logits_t):
    return -(torch.softmax(logits_t, 1).detach() * F.log_softmax(logits_s, 1)).sum(1).mean()


def memory_update(rows, z, *, momentum=0.5):
    """New bank rows: momentum * row + (1 - momentum) * z, normalised without a guard; no gradient."""
    return raw_normalize(momentum * rows + (1 - momentum) * z.detach())


def queue_enqueue(queue, ptr, keys):
    """A new queue with the keys written at ptr, and the pointer behind them."""
    queue = queue.clone()
    queue[ptr:ptr + len(keys)] = keys.detach()
    return queue, (ptr + len(keys)) % len(queue)
