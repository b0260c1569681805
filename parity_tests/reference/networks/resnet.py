"""CIFAR ResNets: resnetD, resnetDx2, resnetDx4 (spec/models.md 3.1) and resnetDa, option A (shared/checkpoints)."""
import torch.nn.functional as F
from torch import nn

from parity_tests.reference.networks.base import Network, conv, through

WIDTHS = {"": (16, 16, 32, 64), "a": (16, 16, 32, 64), "x2": (16, 32, 64, 128), "x4": (32, 64, 128, 256)}


class BasicBlock(nn.Module):
    """conv-bn-relu-conv-bn plus shortcut; returns (relu(sum), sum)."""

    def __init__(self, inner, outer, stride, option_a):
        super().__init__()
        self.conv1, self.bn1 = conv(inner, outer, 3, stride), nn.BatchNorm2d(outer)
        self.conv2, self.bn2 = conv(outer, outer), nn.BatchNorm2d(outer)
        self.option_a, self.changes = option_a, stride != 1 or inner != outer
        if self.changes and not option_a:
            self.downsample = nn.Sequential(conv(inner, outer, 1, stride), nn.BatchNorm2d(outer))

    def shortcut(self, x):
        if not self.changes:
            return x
        if self.option_a:
            pad = self.conv1.out_channels // 4
            return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, pad, pad))
        return self.downsample(x)

    def forward(self, x):
        y = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu())) + self.shortcut(x)
        return y.relu(), y


class ResNet(Network):
    """Depth 6n + 2; features f0..f3 after ReLU, preact f1..f3 the sums before it."""

    trunk = ("conv1", "bn1", "layer1", "layer2", "layer3")

    def __init__(self, depth, kind, num_classes):
        super().__init__()
        widths, blocks = WIDTHS[kind], (depth - 2) // 6
        self.conv1, self.bn1 = conv(3, widths[0]), nn.BatchNorm2d(widths[0])
        for stage in (1, 2, 3):
            strides = [1 if stage == 1 else 2] + [1] * (blocks - 1)
            inner = [widths[stage - 1]] + [widths[stage]] * (blocks - 1)
            layer = [BasicBlock(i, widths[stage], s, kind == "a") for i, s in zip(inner, strides, strict=True)]
            self.add_module(f"layer{stage}", nn.Sequential(*layer))
        self.head = "linear" if kind == "a" else "fc"
        self.add_module(self.head, nn.Linear(widths[3], num_classes))

    def forward(self, x):
        x = self.bn1(self.conv1(x)).relu()
        maps, preact = [x], [x]
        for layer in (self.layer1, self.layer2, self.layer3):
            x, pre = through(layer, x)
            maps.append(x)
            preact.append(pre)
        return self.output(maps, preact, x)
