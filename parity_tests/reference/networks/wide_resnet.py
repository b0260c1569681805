"""wrn_D_W (Zagoruyko & Komodakis 2016); spec/models.md 3.3."""
from torch import nn

from parity_tests.reference.networks.base import Network, conv


class BasicBlock(nn.Module):
    """Pre-activation block; the shortcut conv, if channels change, acts on the activated input.

    Returns (output, bn1(x)): the latter is the pre-activation feature of the stage before.
    """

    def __init__(self, inner, outer, stride):
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(inner), conv(inner, outer, 3, stride)
        self.bn2, self.conv2 = nn.BatchNorm2d(outer), conv(outer, outer)
        self.convShortcut = conv(inner, outer, 1, stride) if inner != outer else None

    def forward(self, x):
        pre = self.bn1(x)
        a = pre.relu()
        h = self.conv2(self.bn2(self.conv1(a)).relu())
        return (x if self.convShortcut is None else self.convShortcut(a)) + h, pre


class Stage(nn.Module):
    """The blocks of one resolution; returns (output, bn1 of the first block's input)."""

    def __init__(self, count, inner, outer, stride):
        super().__init__()
        blocks = [BasicBlock(outer if i else inner, outer, 1 if i else stride) for i in range(count)]
        self.layer = nn.Sequential(*blocks)

    def forward(self, x):
        x, first = self.layer[0](x)
        for block in self.layer[1:]:
            x, _ = block(x)
        return x, first


class WideResNet(Network):
    """Depth 6n + 4. Features are raw residual sums, preact the next batch norm of each.

    The originals call those batch norms a second time when pre-activations are wanted, which moves their running
    statistics twice; here, as in kdjax, once.
    """

    trunk = ("conv1", "block1", "block2", "block3")

    def __init__(self, depth, width, num_classes):
        super().__init__()
        blocks, channels = (depth - 4) // 6, (16, 16 * width, 32 * width, 64 * width)
        self.conv1 = conv(3, 16)
        for i in (1, 2, 3):
            self.add_module(f"block{i}", Stage(blocks, channels[i - 1], channels[i], 1 if i == 1 else 2))
        self.bn1, self.fc = nn.BatchNorm2d(channels[3]), nn.Linear(channels[3], num_classes)

    def forward(self, x):
        f0 = self.conv1(x)
        f1, _ = self.block1(f0)
        f2, pre1 = self.block2(f1)
        f3, pre2 = self.block3(f2)
        pre3 = self.bn1(f3)
        return self.output((f0, f1, f2, f3), (f0, pre1, pre2, pre3), pre3.relu())
