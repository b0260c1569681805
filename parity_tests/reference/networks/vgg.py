"""vgg8..vgg19 with batch norm, and the 3-neuron variants; spec/models.md 3.4."""
from functools import partial

import torch.nn.functional as F
from torch import nn

from parity_tests.reference.networks.base import Network, conv

COUNTS = {"vgg8": (1, 1, 1, 1, 1), "vgg11": (1, 1, 2, 2, 2), "vgg13": (2, 2, 2, 2, 2),
          "vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}
WIDTHS = (64, 128, 256, 512, 512)


def _block(inner, outer, count):
    """conv (with bias), BN, ReLU, repeated, without the last ReLU."""
    layers = []
    for i in range(count):
        layers += [conv(outer if i else inner, outer, bias=True), nn.BatchNorm2d(outer), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class VGG(Network):
    """Features f0..f4 after ReLU; preact f1..f4 before it. Between blocks 3 and 4 it pools only at input height 64."""

    trunk = ("block0", "block1", "block2", "block3", "block4")
    head = "classifier"

    def __init__(self, num_classes, counts, neurons=None):
        super().__init__()
        for i, (width, count) in enumerate(zip(WIDTHS, counts, strict=True)):
            self.add_module(f"block{i}", _block(WIDTHS[i - 1] if i else 3, width, count))
        self.embed = nn.Linear(512, neurons) if neurons else None
        self.classifier = nn.Linear(neurons or 512, num_classes)

    def classify(self, embedding):
        if self.embed is not None:
            embedding = F.normalize(self.embed(embedding), dim=1)
        return self.classifier(embedding)

    def forward(self, x):
        pools = (False, True, True, True, x.shape[2] == 64)
        maps, preact = [], []
        for i, pool in enumerate(pools):
            pre = getattr(self, f"block{i}")(F.max_pool2d(x, 2) if pool else x)
            x = pre.relu()
            maps.append(x)
            preact.append(pre if i else x)
        return self.output(maps, preact, x)


NAMED = {name: partial(VGG, counts=counts) for name, counts in COUNTS.items()}
NAMED |= {f"{name}_3neurons": partial(VGG, counts=COUNTS[name], neurons=3) for name in ("vgg8", "vgg13")}
