"""Standardised logits and CTKD's learned temperature; spec/modern_methods.md 4.2, 4.6."""
import math

import torch


def standardize_logits(logits, *, eps=1e-7):
    """(x - mean) / (unbiased std + eps) over the classes (Sun et al., CVPR 2024)."""
    return (logits - logits.mean(-1, keepdim=True)) / (logits.std(-1, keepdim=True) + eps)


class _ScaleGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, scale):
        ctx.scale = scale
        return x.clone()

    @staticmethod
    def backward(ctx, grad):
        return grad * ctx.scale, None


def scale_gradient(x, scale):
    """x; the gradient times scale."""
    return _ScaleGradient.apply(x, scale)


def ctkd_temperature(param, scale, *, t_start=1.0, t_end=20.0):
    """t_start + t_end sigmoid(param) behind the scaled gradient (Li et al., AAAI 2023)."""
    return t_start + t_end * torch.sigmoid(scale_gradient(param, scale))


def ctkd_scale(epoch, *, loops=10, decay_max=0.0, decay_min=-1.0):
    """Half a cosine from decay_max at epoch 0 to decay_min from epoch `loops` on."""
    return ((math.cos(min(epoch, loops) * math.pi / loops) + 1) / 2) * (decay_max - decay_min) + decay_min
