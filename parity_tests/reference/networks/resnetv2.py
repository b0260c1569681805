"""ResNet18 and ResNet50 with a 3x3 stem; spec/models.md 3.2."""
from functools import partial

from torch import nn

from parity_tests.reference.networks.base import Network, conv, through


class Block(nn.Module):
    """Basic (two 3x3) or bottleneck (1x1, 3x3 with the stride, 1x1) residual block; returns (relu(sum), sum)."""

    def __init__(self, inner, planes, stride, bottleneck):
        super().__init__()
        outer = planes * 4 if bottleneck else planes
        shapes = ([(inner, planes, 1, 1), (planes, planes, 3, stride), (planes, outer, 1, 1)] if bottleneck
                  else [(inner, planes, 3, stride), (planes, planes, 3, 1)])
        self.depth = len(shapes)
        for i, (a, b, kernel, s) in enumerate(shapes, 1):
            self.add_module(f"conv{i}", conv(a, b, kernel, s))
            self.add_module(f"bn{i}", nn.BatchNorm2d(b))
        changes = stride != 1 or inner != outer
        self.shortcut = nn.Sequential(*[conv(inner, outer, 1, stride), nn.BatchNorm2d(outer)] if changes else [])

    def forward(self, x):
        y = x
        for i in range(1, self.depth + 1):
            y = getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(y.relu() if i > 1 else y))
        y = y + self.shortcut(x)
        return y.relu(), y


class ResNetV2(Network):
    """Four stages of width 64..512; features f0..f4 after ReLU, preact f1..f4 the sums before it."""

    trunk = ("conv1", "bn1", "layer1", "layer2", "layer3", "layer4")
    head = "linear"

    def __init__(self, num_classes, blocks, bottleneck):
        super().__init__()
        self.conv1, self.bn1 = conv(3, 64), nn.BatchNorm2d(64)
        inner = 64
        for stage, count in enumerate(blocks, 1):
            planes, layer = 32 * 2**stage, []
            for i in range(count):
                layer.append(Block(inner, planes, 2 if stage > 1 and i == 0 else 1, bottleneck))
                inner = planes * (4 if bottleneck else 1)
            self.add_module(f"layer{stage}", nn.Sequential(*layer))
        self.linear = nn.Linear(inner, num_classes)

    def forward(self, x):
        x = self.bn1(self.conv1(x)).relu()
        maps, preact = [x], [x]
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            x, pre = through(layer, x)
            maps.append(x)
            preact.append(pre)
        return self.output(maps, preact, x)


NAMED = {
    "ResNet18": partial(ResNetV2, blocks=(2, 2, 2, 2), bottleneck=False),
    "ResNet50": partial(ResNetV2, blocks=(3, 4, 6, 3), bottleneck=True),
}
