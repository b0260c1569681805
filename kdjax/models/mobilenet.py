"""MobileNetV2 for CIFAR (Sandler et al., CVPR 2018) as in RepDistiller: plain ReLU, stem stride 2."""
import jax
from flax import nnx

from kdjax.models import layers
from kdjax.models.layers import BatchNorm, Between, Conv, Linear, Sequence, keep, relu
from kdjax.models.network import Features, Output

# expansion, channels at width 1, blocks, stride of the first; the paper's second stage has stride 2
STAGES = ((1, 16, 1, 1), (6, 24, 2, 1), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
TAPS = (1, 2, 4, 6)         # the stages whose outputs are maps 1 to 4


class InvertedResidual(nnx.Module):
    """`conv` = 1x1 expansion, 3x3 depthwise, linear 1x1; the input is added where the shapes agree."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int, *, rngs: nnx.Rngs):
        hidden = inputs * expansion
        self.conv = Sequence(Conv(inputs, hidden, 1, rngs=rngs), BatchNorm(hidden), relu,
                             Conv(hidden, hidden, 3, stride, groups=hidden, rngs=rngs), BatchNorm(hidden), relu,
                             Conv(hidden, outputs, 1, rngs=rngs), BatchNorm(outputs))
        self.residual = stride == 1 and inputs == outputs

    def __call__(self, x: jax.Array) -> jax.Array:
        y = self.conv(x)
        return x + y if self.residual else y


class MobileNetV2(nnx.Module):
    """Seven stages. Stage outputs are linear, so that preact repeats maps; the pooled map is the 1280-channel one."""
    trunk = ("conv1", "blocks")

    def __init__(self, width: float, num_classes: int, *, rngs: nnx.Rngs):
        inputs, last = int(32 * width), 1280 if width <= 1 else int(1280 * width)
        self.conv1 = Sequence(Conv(3, inputs, 3, stride=2, rngs=rngs), BatchNorm(inputs), relu)
        stages = []
        for expansion, channels, n, stride in STAGES:
            outputs = int(channels * width)
            shapes = [(inputs, outputs, stride), *[(outputs, outputs, 1)] * (n - 1)]
            stages.append(Sequence(*(InvertedResidual(*shape, expansion, rngs=rngs) for shape in shapes)))
            inputs = outputs
        self.blocks = Sequence(*stages)
        self.conv2 = Sequence(Conv(inputs, last, 1, rngs=rngs), BatchNorm(last), relu)
        self.classifier = Sequence(Linear(last, num_classes, layers.NORMAL_001, rngs=rngs))

    def __call__(self, x: jax.Array, between: Between = keep) -> Output:
        x = self.conv1(x)
        maps = [x]
        for i, stage in enumerate(self.blocks):
            x = between(i + 1, stage(x))
            maps += [x] * (i in TAPS)
        x = self.conv2(x)
        embedding = layers.global_average_pool(x)
        return Output(self.classify(embedding), Features(tuple(maps), tuple(maps), embedding, x))

    def classify(self, embedding: jax.Array) -> jax.Array:
        return self.classifier(embedding)

    @property
    def preact_norms(self) -> tuple[tuple[str, ...], ...]:
        """Paths of the batch norms behind preact[1:], whose scale and bias give Overhaul's margins."""
        stages = [(str(i), stage) for i, stage in enumerate(self.blocks) if i in TAPS]
        return tuple(("blocks", i, str(len(stage) - 1), "conv", "7") for i, stage in stages)
