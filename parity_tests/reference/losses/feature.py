"""Losses that compare feature maps (or vectors) position by position; spec/losses.md 5 and 9."""
import torch
import torch.nn.functional as F

from parity_tests.reference.losses.ops import adaptive_avg_pool, energy_map, match_height


def hint(f_s, f_t):
    """Mean squared error of the regressed student map (Romero et al., ICLR 2015)."""
    return F.mse_loss(f_s, f_t)


def attention(f_s, f_t, *, p=2):
    """Mean squared difference of normalised energy maps (Zagoruyko & Komodakis, ICLR 2017)."""
    f_s, f_t = match_height(f_s, f_t)
    return (energy_map(f_s, p) - energy_map(f_t, p)).pow(2).mean()


def factor_transfer(f_s, f_t, *, p1=2, p2=1):
    """Difference of the factors' energy maps, L1 or power p2 (Kim et al., NeurIPS 2018; the paper compares factors)."""
    f_s, f_t = match_height(f_s, f_t)
    d = energy_map(f_s, p1) - energy_map(f_t, p1)
    return d.abs().mean() if p2 == 1 else d.pow(p2).mean()


def activation_boundary(g_s, g_t, *, margin=1.0):
    """Squared hinge on the sign of the teacher's pre-activations, late stages weigh most (Heo et al., AAAI 2019)."""
    stages = [_boundary(s, t, margin) for s, t in zip(g_s, g_t, strict=True)]
    weights = [2.0 ** (i + 1 - len(stages)) for i in range(len(stages))]
    return sum(w * loss for w, loss in zip(weights, stages, strict=True)) * 3 / (1000 * g_s[0].shape[0])


def _boundary(s, t, margin):
    should_be_off = (s + margin).pow(2) * ((s > -margin) & (t <= 0))
    should_be_on = (s - margin).pow(2) * ((s <= margin) & (t > 0))
    return (should_be_off + should_be_on).sum()


def simkd(f_s, f_t):
    """Mean squared error of the projected student map; the teacher's is pooled if larger (Chen et al., CVPR 2022)."""
    if f_t.shape[2] > f_s.shape[2]:
        f_t = adaptive_avg_pool(f_t, f_s.shape[2])
    return F.mse_loss(f_s, f_t)


def srrl(trans_s, f_t, pred_s, logits_t):
    """Mean squared errors of the feature and of the teacher head's logits on it (Yang et al., ICLR 2021)."""
    return F.mse_loss(trans_s, f_t) + F.mse_loss(pred_s, logits_t)


def semckd(proj_s, target_t, weights):
    """Attention-weighted mean squared errors of every student/teacher layer pair (Chen et al., AAAI 2021).

    proj_s, target_t: nested lists [S][T] of [B, C, h, h]; weights: [B, S, T]. Sum over pairs, mean over B and S.
    """
    batch, students, teachers = weights.shape
    total = sum(((proj_s[i][j] - target_t[i][j]).pow(2).flatten(1).mean(1) * weights[:, i, j]).sum()
                for i in range(students) for j in range(teachers))
    return total / (batch * students)


def semckd_weights(query, key, *, soft=1.0):
    """softmax over teacher layers of query.key / soft; [B, S, d], [B, T, d] -> [B, S, T]."""
    return torch.softmax(query @ key.transpose(1, 2) / soft, dim=-1)


