"""Wide ResNets (Zagoruyko & Komodakis, BMVC 2016) as in RepDistiller: wrn_D_W for any depth D = 6n+4 and width W."""
import functools
import re
from collections.abc import Callable

import jax
from flax import nnx

from kdjax.errors import UserError
from kdjax.models import layers
from kdjax.models.layers import BatchNorm, Between, Conv, Linear, Sequence, keep, relu
from kdjax.models.network import Features, Output

DEEPEST, WIDEST = 1000, 64  # far beyond the paper's 40 and 20


class Block(nnx.Module):
    """Pre-activation block; the shortcut takes the raw input if the widths agree, else a 1x1 conv of the activated one.

    Returns bn1(x) too: for the first block of a stage that is the pre-activation of the stage before.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, *, rngs: nnx.Rngs):
        self.bn1 = BatchNorm(inputs)
        self.conv1 = Conv(inputs, outputs, 3, stride, rngs=rngs)
        self.bn2 = BatchNorm(outputs)
        self.conv2 = Conv(outputs, outputs, 3, rngs=rngs)
        self.convShortcut = Conv(inputs, outputs, 1, stride, rngs=rngs) if inputs != outputs else None

    def __call__(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        normed = self.bn1(x)
        a = relu(normed)
        y = self.conv2(relu(self.bn2(self.conv1(a))))
        return normed, y + (x if self.convShortcut is None else self.convShortcut(a))


class Stage(nnx.Module):
    """`layer`: n blocks. Returns (the first block's bn1(x), the last block's raw output)."""

    def __init__(self, inputs: int, outputs: int, stride: int, n: int, *, rngs: nnx.Rngs):
        shapes = [(inputs, outputs, stride), *[(outputs, outputs, 1)] * (n - 1)]
        self.layer = Sequence(*(Block(*shape, rngs=rngs) for shape in shapes))

    def __call__(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        normed = []
        for block in self.layer:
            first, x = block(x)
            normed.append(first)
        return normed[0], x


class WideResNet(nnx.Module):
    """Three stages of (depth-4)/6 blocks. The maps are raw sums; a stage's pre-activation is the next batch norm's
    output.

    The originals call those batch norms once more to get it and so update their statistics twice; here they run once.
    The last `bn1` is no part of the trunk: AB and FSP pre-stages leave it in evaluation mode, as the originals do.
    """
    trunk = ("conv1", "block1", "block2", "block3")

    def __init__(self, depth: int, width: int, num_classes: int, *, rngs: nnx.Rngs):
        n, widths = (depth - 4) // 6, (16, 16 * width, 32 * width, 64 * width)
        self.conv1 = Conv(3, 16, 3, rngs=rngs)
        self.block1 = Stage(widths[0], widths[1], 1, n, rngs=rngs)
        self.block2 = Stage(widths[1], widths[2], 2, n, rngs=rngs)
        self.block3 = Stage(widths[2], widths[3], 2, n, rngs=rngs)
        self.bn1 = BatchNorm(widths[3])
        self.fc = Linear(widths[3], num_classes, layers.TORCH_ZERO_BIAS, rngs=rngs)

    def __call__(self, x: jax.Array, between: Between = keep) -> Output:
        f0 = self.conv1(x)
        _, f1 = self.block1(f0)
        f1 = between(1, f1)
        pre1, f2 = self.block2(f1)
        f2 = between(2, f2)
        pre2, f3 = self.block3(f2)
        pre3 = self.bn1(f3)
        last = relu(pre3)
        embedding = layers.global_average_pool(last)
        return Output(self.classify(embedding), Features((f0, f1, f2, f3), (f0, pre1, pre2, pre3), embedding, last))

    def classify(self, embedding: jax.Array) -> jax.Array:
        return self.fc(embedding)

    @property
    def preact_norms(self) -> tuple[tuple[str, ...], ...]:
        """Paths of the batch norms behind preact[1:], whose scale and bias give Overhaul's margins."""
        return ("block2", "layer", "0", "bn1"), ("block3", "layer", "0", "bn1"), ("bn1",)


def constructor(name: str) -> Callable[..., WideResNet] | None:
    """The constructor that `name` means, None if it is no name of this family; raises UserError for a wrong depth."""
    match = re.fullmatch(r"wrn_(\d+)_(\d+)", name)
    if not match:
        return None
    depth, width = int(match[1]), int(match[2])
    if depth > DEEPEST or width > WIDEST:
        raise UserError(f"{name} is larger than any Wide ResNet ({DEEPEST} layers, {WIDEST} times as wide)")
    if depth < 10 or depth % 6 != 4 or width < 1:
        near = max(10, round((depth - 4) / 6) * 6 + 4)
        raise UserError(f"{name}: a Wide ResNet has 6n+4 layers (10, 16, 22, 28, ...) and a width of at least 1; "
                        f"the nearest is wrn_{near}_{max(width, 1)}")
    return functools.partial(WideResNet, depth, width)
