"""What all reference networks share: the shape of their output, and small layers."""
from typing import NamedTuple

import torch
from torch import nn


class Features(NamedTuple):
    """NCHW counterparts of kdjax.models.Features."""

    maps: tuple  # stem, stage 1, ...                       (torch feat[:-1])
    preact: tuple  # the same list before the last activation (torch preact=True)
    embedding: torch.Tensor  # the pooled vector                        (torch feat[-1])
    pre_pool: torch.Tensor  # the map that is pooled


class Output(NamedTuple):
    logits: torch.Tensor
    features: Features


class Network(nn.Module):
    """trunk: names of the children that AB's and FSP's pre-stage trains; classify: the head alone."""

    trunk: tuple[str, ...] = ()
    head = "fc"

    def classify(self, embedding):
        return getattr(self, self.head)(embedding)

    def output(self, maps, preact, pre_pool):
        """Global average pooling, the head, and everything bundled."""
        embedding = pre_pool.mean((2, 3))
        return Output(self.classify(embedding), Features(tuple(maps), tuple(preact), embedding, pre_pool))


def conv(in_channels, out_channels, kernel=3, stride=1, groups=1, bias=False):
    """Explicit symmetric padding kernel // 2, never SAME."""
    return nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, groups=groups, bias=bias)


def through(blocks, x):
    """Run blocks that return (output, pre-activation); the last pair."""
    pre = x
    for block in blocks:
        x, pre = block(x)
    return x, pre


def shuffle(x, groups):
    """Channel shuffle: output channel j * groups + q is input channel q * (C / groups) + j."""
    b, c, h, w = x.shape
    return x.view(b, groups, c // groups, h, w).transpose(1, 2).reshape(b, c, h, w)
