"""ShuffleV2 in sizes 0.2 to 2; spec/models.md 3.7."""
from functools import partial

import torch
from torch import nn

from parity_tests.reference.networks.base import Network, conv, shuffle, through


class Down(nn.Module):
    """Both branches see the whole input at stride 2; returns the shuffled output twice (it has no pre-activation)."""

    def __init__(self, inner, outer):
        super().__init__()
        mid = outer // 2
        self.conv1, self.bn1 = conv(inner, inner, 3, 2, groups=inner), nn.BatchNorm2d(inner)
        self.conv2, self.bn2 = conv(inner, mid, 1), nn.BatchNorm2d(mid)
        self.conv3, self.bn3 = conv(inner, mid, 1), nn.BatchNorm2d(mid)
        self.conv4, self.bn4 = conv(mid, mid, 3, 2, groups=mid), nn.BatchNorm2d(mid)
        self.conv5, self.bn5 = conv(mid, mid, 1), nn.BatchNorm2d(mid)

    def forward(self, x):
        left = self.bn2(self.conv2(self.bn1(self.conv1(x)))).relu()
        right = self.bn3(self.conv3(x)).relu()
        right = self.bn5(self.conv5(self.bn4(self.conv4(right)))).relu()
        out = shuffle(torch.cat([left, right], dim=1), 2)
        return out, out


class Basic(nn.Module):
    """Half the channels pass through; returns (shuffled output, unshuffled pre-activation), as the original does."""

    def __init__(self, channels):
        super().__init__()
        half = self.half = channels // 2
        self.conv1, self.bn1 = conv(half, half, 1), nn.BatchNorm2d(half)
        self.conv2, self.bn2 = conv(half, half, 3, groups=half), nn.BatchNorm2d(half)
        self.conv3, self.bn3 = conv(half, half, 1), nn.BatchNorm2d(half)

    def forward(self, x):
        x1, x2 = x[:, :self.half], x[:, self.half:]
        pre = self.bn3(self.conv3(self.bn2(self.conv2(self.bn1(self.conv1(x2)).relu()))))
        return shuffle(torch.cat([x1, pre.relu()], dim=1), 2), torch.cat([x1, pre], dim=1)


class ShuffleV2(Network):
    """Features f1..f3 are the layers' outputs; the pooled map is the one after conv2."""

    trunk = ("conv1", "bn1", "layer1", "layer2", "layer3")
    head = "linear"

    def __init__(self, num_classes, channels, blocks=(3, 7, 3)):
        super().__init__()
        self.conv1, self.bn1 = conv(3, 24, 1), nn.BatchNorm2d(24)
        inner = 24
        for stage, count in enumerate(blocks):
            outer = channels[stage]
            layer = nn.Sequential(Down(inner, outer), *[Basic(outer) for _ in range(count)])
            self.add_module(f"layer{stage + 1}", layer)
            inner = outer
        self.conv2, self.bn2 = conv(inner, channels[3], 1), nn.BatchNorm2d(channels[3])
        self.linear = nn.Linear(channels[3], num_classes)

    def forward(self, x):
        x = self.bn1(self.conv1(x)).relu()
        maps, preact = [x], [x]
        for layer in (self.layer1, self.layer2, self.layer3):
            x, pre = through(layer, x)
            maps.append(x)
            preact.append(pre)
        return self.output(maps, preact, self.bn2(self.conv2(x)).relu())


NAMED = {
    "ShuffleV2": partial(ShuffleV2, channels=(116, 232, 464, 1024)),
    "ShuffleV2_0_2": partial(ShuffleV2, channels=(40, 80, 160, 512), blocks=(3, 3, 3)),
    "ShuffleV2_0_3": partial(ShuffleV2, channels=(40, 80, 160, 512)),
    "ShuffleV2_0_5": partial(ShuffleV2, channels=(48, 96, 192, 1024)),
    "ShuffleV2_1_5": partial(ShuffleV2, channels=(176, 352, 704, 1024)),
    "ShuffleV2_2_0": partial(ShuffleV2, channels=(224, 488, 976, 2048)),
}
