"""ResNet18 and ResNet50 for CIFAR (He et al., CVPR 2016), 3x3 stem, no max-pool, as in RepDistiller's `resnetv2.py`."""
import itertools

import jax
from flax import nnx

from kdjax.models import layers
from kdjax.models.layers import BatchNorm, Between, Conv, Linear, Sequence, keep, relu, relu_once
from kdjax.models.network import Features, Output

BLOCKS = {18: (2, 2, 2, 2), 50: (3, 4, 6, 3)}


class Basic(nnx.Module):
    """Two 3x3 convolutions; returns the value before and after the last ReLU."""
    expansion = 1

    def __init__(self, inputs: int, planes: int, stride: int, *, rngs: nnx.Rngs):
        self.conv1 = Conv(inputs, planes, 3, stride, rngs=rngs)
        self.bn1 = BatchNorm(planes)
        self.conv2 = Conv(planes, planes, 3, rngs=rngs)
        self.bn2 = BatchNorm(planes)
        self.shortcut = _shortcut(inputs, planes, stride, rngs)

    def __call__(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        y = self.bn2(self.conv2(relu(self.bn1(self.conv1(x))))) + self.shortcut(x)
        return y, relu_once(y)


class Bottleneck(nnx.Module):
    """1x1, 3x3 (with the stride), 1x1 convolutions; returns the value before and after the last ReLU."""
    expansion = 4

    def __init__(self, inputs: int, planes: int, stride: int, *, rngs: nnx.Rngs):
        self.conv1 = Conv(inputs, planes, 1, rngs=rngs)
        self.bn1 = BatchNorm(planes)
        self.conv2 = Conv(planes, planes, 3, stride, rngs=rngs)
        self.bn2 = BatchNorm(planes)
        self.conv3 = Conv(planes, 4 * planes, 1, rngs=rngs)
        self.bn3 = BatchNorm(4 * planes)
        self.shortcut = _shortcut(inputs, 4 * planes, stride, rngs)

    def __call__(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        y = relu(self.bn2(self.conv2(relu(self.bn1(self.conv1(x))))))
        y = self.bn3(self.conv3(y)) + self.shortcut(x)
        return y, relu_once(y)


def _shortcut(inputs: int, outputs: int, stride: int, rngs: nnx.Rngs) -> Sequence:
    if stride == 1 and inputs == outputs:
        return Sequence()
    return Sequence(Conv(inputs, outputs, 1, stride, rngs=rngs), BatchNorm(outputs))


class ResNetV2(nnx.Module):
    """Four layers of blocks at widths 64 to 512 (times the expansion). Returns an Output with five maps."""
    trunk = ("conv1", "bn1", "layer1", "layer2", "layer3", "layer4")

    def __init__(self, depth: int, num_classes: int, *, rngs: nnx.Rngs):
        block = Basic if depth < 50 else Bottleneck
        self.conv1 = Conv(3, 64, 3, rngs=rngs)
        self.bn1 = BatchNorm(64)
        inputs = 64
        for i, (planes, stride, n) in enumerate(zip((64, 128, 256, 512), (1, 2, 2, 2), BLOCKS[depth]), 1):
            outputs = planes * block.expansion
            widths = itertools.pairwise((inputs, *(outputs,) * n))
            setattr(self, f"layer{i}", Sequence(*(block(width, planes, 1 if j else stride, rngs=rngs)
                                                  for j, (width, _) in enumerate(widths))))
            inputs = outputs
        self.linear = Linear(inputs, num_classes, rngs=rngs)
        self.last_norm = "bn2" if block is Basic else "bn3"

    def __call__(self, x: jax.Array, between: Between = keep) -> Output:
        x = relu(self.bn1(self.conv1(x)))
        maps, preact = [x], [x]
        for depth, stage in enumerate((self.layer1, self.layer2, self.layer3, self.layer4), 1):
            for block in stage:
                before, x = block(x)
            x = between(depth, x)
            maps.append(x)
            preact.append(before)
        embedding = layers.global_average_pool(x)
        return Output(self.classify(embedding), Features(tuple(maps), tuple(preact), embedding, x))

    def classify(self, embedding: jax.Array) -> jax.Array:
        return self.linear(embedding)

    @property
    def preact_norms(self) -> tuple[tuple[str, ...], ...]:
        """Paths of the batch norms behind preact[1:], whose scale and bias give Overhaul's margins."""
        names = self.trunk[2:]
        return tuple((name, str(len(getattr(self, name)) - 1), self.last_norm) for name in names)
