"""Regions of a map and their logits; spec/modern_methods.md 4.8."""
import torch

from parity_tests.reference.losses.ops import adaptive_avg_pool
from parity_tests.reference.losses.response import dkd, kl_divergence


def multi_scale_pool(f, *, scales=(1, 2, 4)):
    """[B, C, H, W] -> [B, N, C]: 4x4 cells first, the coarser grids pooled from them (Wei et al., CVPR 2024)."""
    cells = adaptive_avg_pool(f, 4)
    return torch.cat([adaptive_avg_pool(cells, k).flatten(2) for k in scales], dim=2).transpose(1, 2)


def sdd_kd(regions_s, regions_t, labels, *, temperature=4.0):
    """KL of every region, doubled where the teacher's region and whole disagree about being right."""
    return _by_region(regions_s, regions_t, labels, lambda s, t, y: kl_divergence(s, t, temperature=temperature))


def sdd_dkd(regions_s, regions_t, labels, *, alpha=1.0, beta=8.0, temperature=4.0):
    """The same with decoupled distillation."""
    options = {"alpha": alpha, "beta": beta, "temperature": temperature}
    return _by_region(regions_s, regions_t, labels, lambda s, t, y: dkd(s, t, y, **options))


def _by_region(regions_s, regions_t, labels, loss):
    """Row by row, the slow and plain way."""
    batch, regions, _ = regions_s.shape
    right = regions_t.argmax(2) == labels[:, None]
    total = 0.0
    for b in range(batch):
        for n in range(regions):
            weight = 1.0 if right[b, n] == right[b, 0] else 2.0
            total = total + weight * loss(regions_s[b, n, None], regions_t[b, n, None], labels[b, None])
    return total / (batch * regions)
