"""CIFAR ResNets (He et al., CVPR 2016) as in RepDistiller: resnet{6n+2}, the wider x2 and x4, "option A" as a."""
import functools
import re
from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import nnx

from kdjax.errors import UserError
from kdjax.models import layers
from kdjax.models.layers import BatchNorm, Between, Conv, Linear, Sequence, keep, relu, relu_once
from kdjax.models.network import Features, Output

DEEPEST = 1202  # of the paper's
WIDTHS = {"": (16, 16, 32, 64), "x2": (16, 32, 64, 128), "x4": (32, 64, 128, 256), "a": (16, 16, 32, 64)}


class BasicBlock(nnx.Module):
    """relu(bn2(conv2(relu(bn1(conv1(x))))) + shortcut(x)); returns the value before and after the last ReLU."""

    def __init__(self, inputs: int, outputs: int, stride: int, init: layers.Initialiser, option: str, *,
                 rngs: nnx.Rngs):
        self.conv1 = Conv(inputs, outputs, 3, stride, init=init, rngs=rngs)
        self.bn1 = BatchNorm(outputs)
        self.conv2 = Conv(outputs, outputs, 3, init=init, rngs=rngs)
        self.bn2 = BatchNorm(outputs)
        self.downsample = _shortcut(inputs, outputs, stride, init, option, rngs)

    def __call__(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        y = self.bn2(self.conv2(relu(self.bn1(self.conv1(x)))))
        y = y + (x if self.downsample is None else self.downsample(x))
        return y, relu_once(y)


def _shortcut(inputs, outputs, stride, init, option, rngs) -> Callable | None:
    if stride == 1 and inputs == outputs:
        return None
    if option == "A":
        return functools.partial(subsample_and_pad, channels=outputs)
    return Sequence(Conv(inputs, outputs, 1, stride, init=init, rngs=rngs), BatchNorm(outputs))


def subsample_and_pad(x: jax.Array, channels: int) -> jax.Array:
    """Option A: every second row and column, the channels zero-padded by channels // 4 on both sides. No parameters."""
    pad = channels // 4
    return jnp.pad(x[:, ::2, ::2], ((0, 0), (0, 0), (0, 0), (pad, pad)))


class ResNet(nnx.Module):
    """6n+2 layers in three stages; `suffix` picks the widths. Returns an Output with four maps."""
    trunk = ("conv1", "bn1", "layer1", "layer2", "layer3")

    def __init__(self, depth: int, suffix: str, num_classes: int, *, rngs: nnx.Rngs):
        widths, option = WIDTHS[suffix], "A" if suffix == "a" else "B"
        init = layers.KAIMING_FAN_IN if option == "A" else layers.KAIMING_FAN_OUT
        self.conv1 = Conv(3, widths[0], 3, init=init, rngs=rngs)
        self.bn1 = BatchNorm(widths[0])
        for i, (inputs, outputs, stride) in enumerate(zip(widths, widths[1:], (1, 2, 2)), 1):
            blocks = (BasicBlock(outputs if j else inputs, outputs, 1 if j else stride, init, option, rngs=rngs)
                      for j in range((depth - 2) // 6))
            setattr(self, f"layer{i}", Sequence(*blocks))
        self.head = "linear" if option == "A" else "fc"        # the released option A networks call it so
        setattr(self, self.head, Linear(widths[-1], num_classes, init if option == "A" else layers.TORCH, rngs=rngs))

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
        return getattr(self, self.head)(embedding)

    @property
    def preact_norms(self) -> tuple[tuple[str, ...], ...]:
        """Paths of the batch norms behind preact[1:], whose scale and bias give Overhaul's margins."""
        return tuple((name, str(len(getattr(self, name)) - 1), "bn2") for name in ("layer1", "layer2", "layer3"))


def constructor(name: str) -> Callable[..., ResNet] | None:
    """The constructor that `name` means, None if it is no name of this family; raises UserError for a wrong depth."""
    match = re.fullmatch(r"resnet(\d+)(x2|x4|a)?", name)
    if not match:
        return None
    depth, suffix = int(match[1]), match[2] or ""
    if depth > DEEPEST:
        raise UserError(f"{name} is deeper than any CIFAR ResNet ({DEEPEST} layers)")
    if depth < 8 or depth % 6 != 2:
        near = max(8, round((depth - 2) / 6) * 6 + 2)
        raise UserError(f"{name}: a CIFAR ResNet has 6n+2 layers (8, 14, 20, ...); the nearest is resnet{near}{suffix}"
                        + (f", or did you mean ResNet{depth}?" if depth in (18, 50) and not suffix else ""))
    return functools.partial(ResNet, depth, suffix)
