"""ShuffleV1 with three groups; spec/models.md 3.6."""
import torch
import torch.nn.functional as F
from torch import nn

from parity_tests.reference.networks.base import Network, conv, shuffle, through


class Bottleneck(nn.Module):
    """1x1 grouped, shuffle, 3x3 depthwise (with a ReLU the paper lacks), 1x1 grouped; returns (relu(sum), sum).

    With stride 2 the input is average-pooled (padding zeros count) and concatenated after the branch.
    """

    def __init__(self, inner, outer, stride, groups=3):
        super().__init__()
        mid, self.groups, self.stride = outer // 4, 1 if inner == 24 else groups, stride
        self.conv1, self.bn1 = conv(inner, mid, 1, groups=self.groups), nn.BatchNorm2d(mid)
        self.conv2, self.bn2 = conv(mid, mid, 3, stride, groups=mid), nn.BatchNorm2d(mid)
        self.conv3, self.bn3 = conv(mid, outer, 1, groups=groups), nn.BatchNorm2d(outer)

    def forward(self, x):
        y = shuffle(self.bn1(self.conv1(x)).relu(), self.groups)
        y = self.bn3(self.conv3(self.bn2(self.conv2(y)).relu()))
        y = torch.cat([y, F.avg_pool2d(x, 3, 2, 1)], dim=1) if self.stride == 2 else y + x
        return y.relu(), y


class ShuffleV1(Network):
    trunk = ("conv1", "bn1", "layer1", "layer2", "layer3")
    head = "linear"

    def __init__(self, num_classes):
        super().__init__()
        self.conv1, self.bn1 = conv(3, 24, 1), nn.BatchNorm2d(24)
        inner = 24
        for stage, (outer, count) in enumerate(((240, 4), (480, 8), (960, 4)), 1):
            blocks = [Bottleneck(inner, outer - inner, 2)] + [Bottleneck(outer, outer, 1) for _ in range(count - 1)]
            self.add_module(f"layer{stage}", nn.Sequential(*blocks))
            inner = outer
        self.linear = nn.Linear(inner, num_classes)

    def forward(self, x):
        x = self.bn1(self.conv1(x)).relu()
        maps, preact = [x], [x]
        for layer in (self.layer1, self.layer2, self.layer3):
            x, pre = through(layer, x)
            maps.append(x)
            preact.append(pre)
        return self.output(maps, preact, x)


NAMED = {"ShuffleV1": ShuffleV1}
