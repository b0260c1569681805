"""The primitives parity hangs on; spec/losses.md 3.4 and 3.5."""
import torch
import torch.nn.functional as F


def adaptive_avg_pool(x, out_size):
    """[B, C, H, W] -> [B, C, o, o]; output i averages inputs floor(i*n/o) .. ceil((i+1)*n/o) - 1."""
    return F.adaptive_avg_pool2d(x, out_size)


def l2_normalize(x, axis=-1, eps=1e-12):
    """x / max(||x||, eps): where the norm is below eps it is a constant."""
    return F.normalize(x, dim=axis, eps=eps)


def raw_normalize(x):
    """x / ||x|| over the last axis without a guard, as CRD's Embed and its banks do it."""
    return x / x.pow(2).sum(-1, keepdim=True).pow(0.5)


def smooth_l1(x, y, beta=1.0):
    """Elementwise 0.5 d^2 / beta below beta, |d| - beta / 2 above."""
    return F.smooth_l1_loss(x, y, reduction="none", beta=beta)


def match_height(a, b):
    """Both maps at the smaller height of the two (maps are square): the larger one is pooled, nothing is upsampled."""
    height = min(a.shape[2], b.shape[2])
    pooled = [x if x.shape[2] == height else adaptive_avg_pool(x, height) for x in (a, b)]
    return pooled[0], pooled[1]


def energy_map(f, p):
    """[B, C, H, W] -> [B, H*W]: mean over channels of f**p, l2-normalised over positions (AT, FT)."""
    return l2_normalize(f.pow(p).mean(1).flatten(1))


def gram(x):
    """[..., N, D] -> [..., N, N] inner products of the rows."""
    return x @ x.transpose(-1, -2)


def batch_kl(log_q, log_p):
    """sum q (log q - log p) over everything but divided by the first axis only: torch's `batchmean`.

    Written with log q at hand, so that the gradient through q stays finite where q underflows to 0.
    """
    return (log_q.exp() * (log_q - log_p)).sum() / log_q.shape[0]


def masked_logsumexp(x, mask):
    """log of the sum of exp(x) over the entries of each row where mask is true."""
    return torch.logsumexp(x.masked_fill(~mask, float("-inf")), dim=1)
