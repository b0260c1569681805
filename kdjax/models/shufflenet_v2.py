"""ShuffleNet V2 (Ma et al., ECCV 2018) for CIFAR as in RepDistiller: a 1x1 stem, no max-pool, torch's default init."""
import functools

import jax
import jax.numpy as jnp
from flax import nnx

from kdjax.models import layers
from kdjax.models.layers import TORCH, BatchNorm, Between, Linear, Sequence, channel_shuffle, keep, relu
from kdjax.models.network import Features, Output

Conv = functools.partial(layers.Conv, init=TORCH)

# size -> channels of layers 1-3 and of conv2, stride-1 blocks per layer. The paper's size 2 begins with 244 channels.
SIZES = {
    0.2: ((40, 80, 160, 512), (3, 3, 3)),
    0.3: ((40, 80, 160, 512), (3, 7, 3)),
    0.5: ((48, 96, 192, 1024), (3, 7, 3)),
    1: ((116, 232, 464, 1024), (3, 7, 3)),
    1.5: ((176, 352, 704, 1024), (3, 7, 3)),
    2: ((224, 488, 976, 2048), (3, 7, 3)),
}


class DownBlock(nnx.Module):
    """Halves the map: a left branch (depthwise, 1x1), a right one (1x1, depthwise, 1x1), joined and shuffled."""

    def __init__(self, inputs: int, outputs: int, *, rngs: nnx.Rngs):
        middle = outputs // 2
        self.conv1 = Conv(inputs, inputs, 3, 2, groups=inputs, rngs=rngs)
        self.bn1 = BatchNorm(inputs)
        self.conv2 = Conv(inputs, middle, 1, rngs=rngs)
        self.bn2 = BatchNorm(middle)
        self.conv3 = Conv(inputs, middle, 1, rngs=rngs)
        self.bn3 = BatchNorm(middle)
        self.conv4 = Conv(middle, middle, 3, 2, groups=middle, rngs=rngs)
        self.bn4 = BatchNorm(middle)
        self.conv5 = Conv(middle, middle, 1, rngs=rngs)
        self.bn5 = BatchNorm(middle)

    def __call__(self, x: jax.Array) -> jax.Array:
        left = relu(self.bn2(self.conv2(self.bn1(self.conv1(x)))))
        right = self.bn4(self.conv4(relu(self.bn3(self.conv3(x)))))
        right = relu(self.bn5(self.conv5(right)))
        return channel_shuffle(jnp.concatenate([left, right], -1), 2)


class BasicBlock(nnx.Module):
    """The first half of the channels passes, the second goes through 1x1, depthwise, 1x1; then the shuffle.

    Returns (pre-activation, output). The pre-activation is not shuffled, as in the originals.
    """

    def __init__(self, channels: int, *, rngs: nnx.Rngs):
        half = channels // 2
        self.conv1 = Conv(half, half, 1, rngs=rngs)
        self.bn1 = BatchNorm(half)
        self.conv2 = Conv(half, half, 3, groups=half, rngs=rngs)
        self.bn2 = BatchNorm(half)
        self.conv3 = Conv(half, half, 1, rngs=rngs)
        self.bn3 = BatchNorm(half)

    def __call__(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        passed, y = jnp.split(x, 2, -1)
        y = self.bn3(self.conv3(self.bn2(self.conv2(relu(self.bn1(self.conv1(y)))))))
        join = lambda right: jnp.concatenate([passed, right], -1)
        return join(y), channel_shuffle(join(relu(y)), 2)


class ShuffleNetV2(nnx.Module):
    """Three layers and a last 1x1 convolution, whose output is the pooled map. Returns an Output with four maps."""
    trunk = ("conv1", "bn1", "layer1", "layer2", "layer3")

    def __init__(self, size: float, num_classes: int, *, rngs: nnx.Rngs):
        channels, counts = SIZES[size]
        self.conv1 = Conv(3, 24, 1, rngs=rngs)
        self.bn1 = BatchNorm(24)
        for i, (inputs, outputs, n) in enumerate(zip((24, *channels), channels[:3], counts), 1):
            basic = (BasicBlock(outputs, rngs=rngs) for _ in range(n))
            setattr(self, f"layer{i}", Sequence(DownBlock(inputs, outputs, rngs=rngs), *basic))
        self.conv2 = Conv(channels[2], channels[3], 1, rngs=rngs)
        self.bn2 = BatchNorm(channels[3])
        self.linear = Linear(channels[3], num_classes, rngs=rngs)

    def __call__(self, x: jax.Array, between: Between = keep) -> Output:
        x = relu(self.bn1(self.conv1(x)))
        maps, preact = [x], [x]
        for depth, stage in enumerate((self.layer1, self.layer2, self.layer3), 1):
            down, *basic = stage
            x = down(x)
            for block in basic:
                before, x = block(x)
            x = between(depth, x)
            maps.append(x)
            preact.append(before)
        last = relu(self.bn2(self.conv2(x)))
        embedding = layers.global_average_pool(last)
        return Output(self.classify(embedding), Features(tuple(maps), tuple(preact), embedding, last))

    def classify(self, embedding: jax.Array) -> jax.Array:
        return self.linear(embedding)
