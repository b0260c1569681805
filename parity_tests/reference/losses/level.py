"""Maps at several levels; spec/modern_methods.md 5.1 to 5.3."""
import torch
import torch.nn.functional as F

from parity_tests.reference.losses.ops import adaptive_avg_pool


def ofd_margin(weight, bias):
    """Mean of the negative half of a normal distribution, channel by channel (Heo et al., ICCV 2019)."""
    normal, margins = torch.distributions.Normal(0.0, 1.0), []
    for s, m in zip(weight.abs().clamp(min=1e-12), bias, strict=True):
        below = normal.cdf(-m / s)
        density = torch.exp(-((m / s) ** 2) / 2) / (2 * torch.pi) ** 0.5
        margins.append(m - s * density / below if below > 0.001 else -3 * s)
    return torch.stack(margins)


def ofd(g_s, g_t, margins):
    """Partial L2: the teacher's pre-activation, cut at its margin, must not be overshot where it is negative."""
    stages = []
    for s, t, margin in zip(g_s, g_t, margins, strict=True):
        t = torch.max(adaptive_avg_pool(t, s.shape[2]), margin[None, :, None, None])
        counts = ((s > t) | (t > 0)).to(s.dtype)
        stages.append(((s - t).pow(2) * counts).flatten(1).sum(1).mean())
    return sum(stage / 2 ** (len(stages) - 1 - i) for i, stage in enumerate(stages))


def reviewkd(g_s, g_t):
    """Squared errors at full size and on pooled pyramids, each coarser one half as heavy (Chen et al., CVPR 2021)."""
    total = 0.0
    for s, t in zip(g_s, g_t, strict=True):
        sizes = [s.shape[2], *(k for k in (4, 2, 1) if k < s.shape[2])]
        weights = [0.5**i for i in range(len(sizes))]
        errors = [F.mse_loss(adaptive_avg_pool(s, k), adaptive_avg_pool(t, k)) for k in sizes]
        total = total + sum(w * e for w, e in zip(weights, errors, strict=True)) / sum(weights)
    return total


def cat_kd(cam_s, cam_t, *, resolution=2, normalize=True):
    """Squared error of pooled class activation maps, of unit length class by class if asked (Guo et al., CVPR 2023)."""
    maps = [adaptive_avg_pool(x, resolution).flatten(2) for x in (cam_s, cam_t)]
    if normalize:
        maps = [F.normalize(x, dim=2) for x in maps]
    return F.mse_loss(*maps)
