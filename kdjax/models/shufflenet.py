"""ShuffleNet V1 (Zhang et al., CVPR 2018) for CIFAR as in RepDistiller: 3 groups, a 1x1 stem, torch's default init."""
import functools

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax

from kdjax.models import layers
from kdjax.models.layers import TORCH, BatchNorm, Between, Linear, Sequence, channel_shuffle, keep, relu
from kdjax.models.network import Features, Output

Conv = functools.partial(layers.Conv, init=TORCH)
GROUPS = 3


def average_pool_3x3(x: jax.Array) -> jax.Array:
    """3x3 average with stride 2 and padding 1; the padded zeros count, so it always divides by 9."""
    zero = x.dtype.type(0)      # a known constant: only then does JAX see a sum, which it can differentiate
    return lax.reduce_window(x, zero, lax.add, (1, 3, 3, 1), (1, 2, 2, 1), ((0, 0), (1, 1), (1, 1), (0, 0))) / 9


class Bottleneck(nnx.Module):
    """Grouped 1x1, shuffle, 3x3 depthwise (followed by a ReLU that the paper has not), grouped 1x1.

    Stride 2 concatenates the pooled input behind, stride 1 adds the input. Returns the value before and after the last
    ReLU.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, *, rngs: nnx.Rngs):
        middle, self.groups, self.stride = outputs // 4, 1 if inputs == 24 else GROUPS, stride
        self.conv1 = Conv(inputs, middle, 1, groups=self.groups, rngs=rngs)
        self.bn1 = BatchNorm(middle)
        self.conv2 = Conv(middle, middle, 3, stride, groups=middle, rngs=rngs)
        self.bn2 = BatchNorm(middle)
        self.conv3 = Conv(middle, outputs, 1, groups=GROUPS, rngs=rngs)
        self.bn3 = BatchNorm(outputs)

    def __call__(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        y = channel_shuffle(relu(self.bn1(self.conv1(x))), self.groups)
        y = self.bn3(self.conv3(relu(self.bn2(self.conv2(y)))))
        y = jnp.concatenate([y, average_pool_3x3(x)], -1) if self.stride == 2 else y + x
        return y, relu(y)


class ShuffleNetV1(nnx.Module):
    """Three layers of 4, 8, 4 blocks and 240, 480, 960 channels. Returns an Output with four maps."""
    trunk = ("conv1", "bn1", "layer1", "layer2", "layer3")

    def __init__(self, num_classes: int, *, rngs: nnx.Rngs):
        self.conv1 = Conv(3, 24, 1, rngs=rngs)
        self.bn1 = BatchNorm(24)
        inputs = 24
        for i, (outputs, n) in enumerate(((240, 4), (480, 8), (960, 4)), 1):
            down = Bottleneck(inputs, outputs - inputs, 2, rngs=rngs)      # the pooled input brings the other channels
            rest = (Bottleneck(outputs, outputs, 1, rngs=rngs) for _ in range(n - 1))
            setattr(self, f"layer{i}", Sequence(down, *rest))
            inputs = outputs
        self.linear = Linear(inputs, num_classes, rngs=rngs)

    def __call__(self, x: jax.Array, between: Between = keep) -> Output:
        x = relu(self.bn1(self.conv1(x)))
        maps, preact = [x], [x]
        for depth, stage in enumerate((self.layer1, self.layer2, self.layer3), 1):
            for block in stage:
                before, x = block(x)
            x = between(depth, x)
            maps.append(x)
            preact.append(before)
        embedding = layers.global_average_pool(x)
        return Output(self.classify(embedding), Features(tuple(maps), tuple(preact), embedding, x))

    def classify(self, embedding: jax.Array) -> jax.Array:
        return self.linear(embedding)
