"""DS-SRD's transformer tail: bottleneck blocks whose 3x3 convolution is attention over the map (BoTNet, CVPR 2021).

Source: spec/self_supervised.md, 3.5. There it stands beside stage 4 of a ResNet-50 on one trunk; here
imix_resnet50_trans is that trunk with this tail, and imix_resnet50 the one without.
"""
import jax
import jax.numpy as jnp
from flax import nnx

from kdjax.models.encoder import ARCHS, Encoder
from kdjax.models.layers import BatchNorm, Conv, Sequence, relu, relu_once

HEADS, HEAD_WIDTH, SHRINK = 4, 128, 4


class Attention(nnx.Module):
    """Multi-head attention over the H x W places of a map, [B, H, W, C] -> [B, H, W, heads * width].

    positions: "abs", a learnt vector a row plus one a column; "rel", one a distance in rows plus one in columns. The
    scaled query is used for the positional term too, as in the original.
    """

    def __init__(self, inputs: int, size: int, heads: int, width: int, positions: str, *, rngs: nnx.Rngs):
        self.qkv = Conv(inputs, 3 * heads * width, 1, rngs=rngs)
        self.heads, self.width, self.relative = heads, width, positions == "rel"
        count = 2 * size - 1 if self.relative else size
        self.names = tuple(f"pos_{'rel_' if self.relative else ''}{axis}" for axis in ("height", "width"))
        for name in self.names:
            setattr(self, name, nnx.Param(jax.random.normal(rngs.params(), (count, width)) * width ** -0.5))

    def __call__(self, x: jax.Array) -> jax.Array:
        b, h, w, _ = x.shape
        qkv = self.qkv(x).reshape(b, h * w, 3, self.heads, self.width)
        q, k, v = (qkv[:, :, i] for i in range(3))
        q = q * self.width ** -0.5
        scores = jnp.einsum("bihd,bjhd->bhij", q, k) + self._places(q, h, w)
        out = jnp.einsum("bhij,bjhd->bihd", jax.nn.softmax(scores, axis=-1), v)
        return out.reshape(b, h, w, self.heads * self.width)

    def _places(self, q: jax.Array, h: int, w: int) -> jax.Array:
        rows, columns = (getattr(self, name)[...].astype(q.dtype) for name in self.names)
        if not self.relative:
            place = (rows[:, None] + columns[None]).reshape(h * w, self.width)
            return jnp.einsum("bihd,jd->bhij", q, place)
        row, column = jnp.divmod(jnp.arange(h * w), w)
        place = rows[row - row[:, None] + h - 1] + columns[column - column[:, None] + w - 1]
        return jnp.einsum("bihd,ijd->bhij", q, place)


class Shortcut(nnx.Module):
    """3x3 with stride 2 where the block halves the map, else 1x1; batch norm and ReLU."""

    def __init__(self, inputs: int, outputs: int, halves: bool, *, rngs: nnx.Rngs):
        self.conv = Conv(inputs, outputs, *((3, 2) if halves else (1, 1)), rngs=rngs)
        self.bn = BatchNorm(outputs)

    def __call__(self, x: jax.Array) -> jax.Array:
        return relu(self.bn(self.conv(x)))


class AttentionBlock(nnx.Module):
    """1x1, attention (then 2x2 mean where the map is halved), 1x1; [B, S, S, inputs] -> [B, S or S/2, ., outputs]."""

    def __init__(self, inputs: int, outputs: int, size: int, halves: bool, heads: int = HEADS, width: int = HEAD_WIDTH,
                 positions: str = "abs", shrink: int = SHRINK, *, rngs: nnx.Rngs):
        inner = outputs // shrink
        self.shortcut = Shortcut(inputs, outputs, halves, rngs=rngs) if halves or inputs != outputs else None
        self.conv1 = Conv(inputs, inner, 1, rngs=rngs)
        self.bn1 = BatchNorm(inner)
        self.attn = Attention(inner, size, heads, width, positions, rngs=rngs)
        self.bn2 = BatchNorm(heads * width)
        self.conv2 = Conv(heads * width, outputs, 1, rngs=rngs)
        self.bn3 = BatchNorm(outputs)
        self.bn3.scale[...] = jnp.zeros_like(self.bn3.scale[...])       # the block starts as its shortcut
        self.halves = halves

    def __call__(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        y = self.attn(relu(self.bn1(self.conv1(x))))
        if self.halves:
            b, h, w, c = y.shape
            y = y.reshape(b, h // 2, 2, w // 2, 2, c).mean((2, 4))
        y = self.bn3(self.conv2(relu(self.bn2(y))))
        y = y + (x if self.shortcut is None else self.shortcut(x))
        return y, relu_once(y)


class TransformerEncoder(Encoder):
    """A ResNet-50 whose stage 4 is five attention blocks (8x8 to 4x4 on 32x32 images)."""

    def __init__(self, num_classes: int, image_size: int, *, rngs: nnx.Rngs):
        super().__init__(ARCHS["resnet50"], num_classes, rngs=rngs)
        size = -(-image_size // 4)
        blocks = [AttentionBlock(1024 if i == 0 else 2048, 2048, size if i == 0 else size // 2, i == 0, rngs=rngs)
                  for i in range(5)]
        self.layer4 = Sequence(*blocks)
