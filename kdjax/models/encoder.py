"""The encoders of i-Mix and DS-SRD: torchvision's ResNets with a stem for small images (spec/models.md, 3.12).

Names: imix_ARCH[_1ch][_largestem], ARCH as in `ARCHS` or BLOCK_N_N_N_N_wW (imix_basic_1_1_1_1_w8: one basic block a
stage, base width 8); ssl_ARCH: DS-SRD's, with two heads. A head's suffix (`heads.KINDS`) may follow any of them.
"""
import itertools
import re
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
from flax import nnx

from kdjax.models import layers
from kdjax.models.layers import BatchNorm, Between, Conv, Linear, Sequence, keep, relu, relu_once
from kdjax.models.network import Features, Output


class Arch(NamedTuple):
    """base: channels of the stem. groups, group_width: of ResNeXt's and the wide nets' 3x3 convolutions (of 64)."""

    block: str
    counts: tuple[int, int, int, int]
    base: int = 64
    groups: int = 1
    group_width: int = 64


ARCHS = {
    "resnet18h": Arch("basic", (2, 2, 2, 2), 32),
    "resnet18": Arch("basic", (2, 2, 2, 2)),
    "resnet34": Arch("basic", (3, 4, 6, 3)),
    "resnet50": Arch("bottleneck", (3, 4, 6, 3)),
    "resnet101": Arch("bottleneck", (3, 4, 23, 3)),
    "resnet152": Arch("bottleneck", (3, 8, 36, 3)),
    "resnext50_32x4d": Arch("bottleneck", (3, 4, 6, 3), groups=32, group_width=4),
    "resnext101_32x8d": Arch("bottleneck", (3, 4, 23, 3), groups=32, group_width=8),
    "wide_resnet50_2": Arch("bottleneck", (3, 4, 6, 3), group_width=128),
    "wide_resnet101_2": Arch("bottleneck", (3, 4, 23, 3), group_width=128),
}


class Basic(nnx.Module):
    """Two 3x3 convolutions; returns the value before and after the last ReLU."""
    expansion = 1

    def __init__(self, inputs: int, planes: int, stride: int, arch: Arch, *, rngs: nnx.Rngs):
        self.conv1 = Conv(inputs, planes, 3, stride, rngs=rngs)
        self.bn1 = BatchNorm(planes)
        self.conv2 = Conv(planes, planes, 3, rngs=rngs)
        self.bn2 = BatchNorm(planes)
        self.downsample = _downsample(inputs, planes, stride, rngs)

    def __call__(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        y = self.bn2(self.conv2(relu(self.bn1(self.conv1(x)))))
        y = y + (x if self.downsample is None else self.downsample(x))
        return y, relu_once(y)


class Bottleneck(nnx.Module):
    """1x1, 3x3 (with the stride), 1x1 convolutions; returns the value before and after the last ReLU."""
    expansion = 4

    def __init__(self, inputs: int, planes: int, stride: int, arch: Arch, *, rngs: nnx.Rngs):
        width, outputs = int(planes * arch.group_width / 64) * arch.groups, 4 * planes
        self.conv1 = Conv(inputs, width, 1, rngs=rngs)
        self.bn1 = BatchNorm(width)
        self.conv2 = Conv(width, width, 3, stride, groups=arch.groups, rngs=rngs)
        self.bn2 = BatchNorm(width)
        self.conv3 = Conv(width, outputs, 1, rngs=rngs)
        self.bn3 = BatchNorm(outputs)
        self.downsample = _downsample(inputs, outputs, stride, rngs)

    def __call__(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        y = relu(self.bn2(self.conv2(relu(self.bn1(self.conv1(x))))))
        y = self.bn3(self.conv3(y)) + (x if self.downsample is None else self.downsample(x))
        return y, relu_once(y)


def _downsample(inputs: int, outputs: int, stride: int, rngs: nnx.Rngs) -> Sequence | None:
    if stride == 1 and inputs == outputs:
        return None
    return Sequence(Conv(inputs, outputs, 1, stride, rngs=rngs), BatchNorm(outputs))


BLOCKS = {"basic": Basic, "bottleneck": Bottleneck}


class Encoder(nnx.Module):
    """Stem, four stages, pooled features, `fc`. Returns an Output with five maps.

    between(depth, map) may replace the map after the stem (depth 0) and after stage 1..4.
    """
    trunk = ("conv1", "bn1", "layer1", "layer2", "layer3", "layer4")

    def __init__(self, arch: Arch, num_classes: int, channels: int = 3, large_stem: bool = False, *, rngs: nnx.Rngs):
        block, self.channels, self.large_stem = BLOCKS[arch.block], channels, large_stem
        self.conv1 = Conv(channels, arch.base, *((7, 2) if large_stem else (3, 1)), rngs=rngs)
        self.bn1 = BatchNorm(arch.base)
        inputs = arch.base
        for i, (times, stride, count) in enumerate(zip((1, 2, 4, 8), (1, 2, 2, 2), arch.counts), 1):
            planes = arch.base * times
            widths = itertools.pairwise((inputs, *(planes * block.expansion,) * count))
            setattr(self, f"layer{i}", Sequence(*(block(width, planes, 1 if j else stride, arch, rngs=rngs)
                                                  for j, (width, _) in enumerate(widths))))
            inputs = planes * block.expansion
        self.fc = Linear(inputs, num_classes, rngs=rngs)

    def __call__(self, x: jax.Array, between: Between = keep) -> Output:
        maps, preact = self.maps(x, between)
        embedding = layers.global_average_pool(maps[-1])
        return Output(self.classify(embedding), Features(maps, preact, embedding, maps[-1]))

    def maps(self, x: jax.Array, between: Between) -> tuple[tuple, tuple]:
        """The five maps, and each before its ReLU (the stem's: after it, as in resnetv2)."""
        x = relu(self.bn1(self.conv1(x)))
        x = between(0, layers.max_pool_3x3(x) if self.large_stem else x)
        maps, preact = [x], [x]
        for i, stage in enumerate((self.layer1, self.layer2, self.layer3, self.layer4), 1):
            for block in stage:
                before, x = block(x)
            x = between(i, x)
            maps.append(x)
            preact.append(before)
        return tuple(maps), tuple(preact)

    def classify(self, embedding: jax.Array) -> jax.Array:
        return self.fc(embedding)


class TwoHeads(Encoder):
    """DS-SRD's encoder: `fc` (512 -> 128, never asked here) and `fc2`, whose output the logits are; four maps."""
    head_name = "fc2"

    def __init__(self, arch: Arch, num_classes: int, *, rngs: nnx.Rngs):
        super().__init__(arch, 128, rngs=rngs)
        self.fc2 = Linear(self.fc.kernel.shape[0], num_classes, rngs=rngs)

    def __call__(self, x: jax.Array, between: Between = keep) -> Output:
        out = super().__call__(x, between)
        maps = out.features.maps[:-1]
        return out._replace(features=out.features._replace(maps=maps, preact=maps))

    def classify(self, embedding: jax.Array) -> jax.Array:
        return self.fc2(embedding)


def constructor(name: str) -> Callable[..., nnx.Module] | None:
    """The maker of the encoder called `name`, None for a name of another family."""
    family, _, rest = name.partition("_")
    if family == "ssl" and ARCHS.get(rest, Arch("bottleneck", ())).block == "basic":
        return partial(TwoHeads, ARCHS[rest])
    found = re.fullmatch(r"(.+?)(_1ch)?(_largestem)?", rest) if family == "imix" else None
    arch = found and (ARCHS.get(found[1]) or _sized(found[1]))
    return arch and partial(Encoder, arch, channels=1 if found[2] else 3, large_stem=bool(found[3]))


def _sized(text: str) -> Arch | None:
    found = re.fullmatch(r"(basic|bottleneck)_(\d+)_(\d+)_(\d+)_(\d+)_w(\d+)", text)
    return found and Arch(found[1], tuple(int(n) for n in found.groups()[1:5]), int(found[6]))
