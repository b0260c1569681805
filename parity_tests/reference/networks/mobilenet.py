"""CIFAR MobileNetV2 (T = 6, widths 0.25, 0.5, 1); spec/models.md 3.5."""
from functools import partial

from torch import nn

from parity_tests.reference.networks.base import Network, conv

#          t, channels, blocks, stride of the first
STAGES = ((1, 16, 1, 1), (6, 24, 2, 1), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


class InvertedResidual(nn.Module):
    """Expand 1x1, depthwise 3x3, linear 1x1; the expansion exists for t = 1 too. Plain ReLU."""

    def __init__(self, inner, outer, stride, expansion):
        super().__init__()
        mid = inner * expansion
        self.conv = nn.Sequential(
            conv(inner, mid, 1), nn.BatchNorm2d(mid), nn.ReLU(),
            conv(mid, mid, 3, stride, groups=mid), nn.BatchNorm2d(mid), nn.ReLU(),
            conv(mid, outer, 1), nn.BatchNorm2d(outer))
        self.residual = stride == 1 and inner == outer

    def forward(self, x):
        return x + self.conv(x) if self.residual else self.conv(x)


class MobileNetV2(Network):
    """Features: stem (after ReLU) and the linear outputs of stages 1, 2, 4, 6; preact is the same list."""

    trunk = ("conv1", "blocks")

    def __init__(self, num_classes, width):
        super().__init__()
        inner, last = int(32 * width), max(1280, int(1280 * width))
        self.conv1 = nn.Sequential(conv(3, inner, 3, 2), nn.BatchNorm2d(inner), nn.ReLU())
        self.blocks = nn.ModuleList()
        for expansion, channels, count, stride in STAGES:
            outer, stage = int(channels * width), []
            for i in range(count):
                stage.append(InvertedResidual(inner, outer, 1 if i else stride, expansion))
                inner = outer
            self.blocks.append(nn.Sequential(*stage))
        self.conv2 = nn.Sequential(conv(inner, last, 1), nn.BatchNorm2d(last), nn.ReLU())
        self.classifier = nn.Sequential(nn.Linear(last, num_classes))

    def classify(self, embedding):
        return self.classifier(embedding)

    def forward(self, x):
        x = self.conv1(x)
        maps = [x]
        for i, stage in enumerate(self.blocks):
            x = stage(x)
            if i in (1, 2, 4, 6):
                maps.append(x)
        return self.output(maps, maps, self.conv2(x))


NAMED = {"MobileNetV2": partial(MobileNetV2, width=0.5), "MobileNetV2_0_25": partial(MobileNetV2, width=0.25),
         "MobileNetV2_1_0": partial(MobileNetV2, width=1.0)}
