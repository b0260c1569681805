"""AutoAugment (Cubuk et al., CVPR 2019) on the device, for uint8 images, with the numbers of torchvision 0.10.0.

The augmentation release pins that version. Newer ones shear by atan(magnitude) about the image's corner, and solarize
from 255 instead of 256. Geometry takes the nearest pixel, black outside; blends truncate to 8 bits as torch does.
"""
import jax
import jax.numpy as jnp
import numpy as np

from kdjax.data import geometry

Array = jax.Array


def apply(images: Array, policy: str, index, draws: Array, signs: Array) -> Array:
    """Sub-policy `index` of "cifar10" or "imagenet" on uint8 images [B, H, W, 3]: two operations, one after the other.

    draws: two uniform numbers; operation i is applied iff draws[i] <= its probability. signs: two bits; 0 negates the
    magnitude of a signed operation. All of them one a batch (vmap for one an image). Raises ValueError for a policy.
    """
    if policy not in POLICIES:
        raise ValueError(f"policy={policy!r}: use one of {', '.join(POLICIES)}")
    code, chance, magnitude = (jnp.asarray(table)[index] for table in TABLES[policy])
    for i in range(2):
        size = jnp.where((jnp.asarray(signs)[i] == 0) & jnp.asarray(SIGNED)[code[i]], -magnitude[i], magnitude[i])
        changed = jax.lax.switch(code[i], list(OPERATIONS.values()), images, size)
        images = jnp.where(jnp.asarray(draws)[i] <= chance[i], changed, images)
    return images


def draw(key: Array, shape: tuple = ()) -> dict:
    """Random arguments of `apply`: index [*shape], draws [*shape, 2], signs [*shape, 2]."""
    which, coins, signs = jax.random.split(key, 3)
    return {"index": jax.random.randint(which, shape, 0, 25, dtype=jnp.int32),
            "draws": jax.random.uniform(coins, (*shape, 2), jnp.float32),
            "signs": jax.random.bernoulli(signs, 0.5, (*shape, 2)).astype(jnp.int32)}


def _blend(images, other, magnitude):
    """f images + (1 - f) other for the factor f = 1 + magnitude, clipped, truncated."""
    factor = (1 + magnitude).astype(jnp.float32)
    return jnp.clip(factor * images.astype(jnp.float32) + (1 - factor) * other, 0, 255).astype(jnp.uint8)


def _grey(images):
    weights = jnp.asarray([0.2989, 0.587, 0.114], jnp.float32)
    x = images.astype(jnp.float32)
    return jnp.floor(x[..., :1] * weights[0] + x[..., 1:2] * weights[1] + x[..., 2:] * weights[2])


def _contrast(images, magnitude):
    return _blend(images, jnp.mean(_grey(images), axis=(1, 2, 3), keepdims=True), magnitude)


def _sharpness(images, magnitude):
    x = images.astype(jnp.float32)
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    height, width = x.shape[1:3]
    around = sum(padded[:, i:i + height, j:j + width] for i in range(3) for j in range(3))
    smooth = jnp.round((around + 4 * x) / 13)
    rows, columns = jnp.arange(height)[:, None, None], jnp.arange(width)[:, None]
    border = (rows == 0) | (rows == height - 1) | (columns == 0) | (columns == width - 1)
    return _blend(images, jnp.where(border, x, smooth), magnitude)


def _posterize(images, magnitude):
    return images & (jnp.uint8(255) << (8 - magnitude.astype(jnp.uint8)))


def _autocontrast(images, magnitude):
    low, high = (f(images, axis=(1, 2), keepdims=True).astype(jnp.float32) for f in (jnp.min, jnp.max))
    scale = jnp.where(high > low, 255 / jnp.where(high > low, high - low, 1), 1)
    stretched = jnp.clip((images - jnp.where(high > low, low, 0)) * scale, 0, 255)
    return stretched.astype(jnp.uint8)


def _equalize(images, magnitude):
    n, height, width, channels = images.shape
    planes = jnp.moveaxis(images, -1, 1).reshape(n * channels, height * width).astype(jnp.int32)
    count = jax.vmap(lambda plane: jnp.zeros(256, jnp.int32).at[plane].add(1))(planes)
    last = jnp.take_along_axis(count, jnp.max(planes, axis=1, keepdims=True), axis=1)
    step = (height * width - last) // 255
    before = jnp.cumsum(count, axis=1) - count
    table = jnp.clip((before + step // 2) // jnp.maximum(step, 1), 0, 255)
    planes = jnp.where(step > 0, jnp.take_along_axis(table, planes, axis=1), planes)
    return jnp.moveaxis(planes.reshape(n, channels, height, width), 1, -1).astype(jnp.uint8)


def _solarize(images, magnitude):
    return jnp.where(images >= magnitude, 255 - images, images)


OPERATIONS = {
    "ShearX": lambda x, m: geometry.nearest(x, ((1, jnp.tan(m)), (0, 1))),
    "ShearY": lambda x, m: geometry.nearest(x, ((1, 0), (jnp.tan(m), 1))),
    "TranslateX": lambda x, m: geometry.shift(x, 0, jnp.trunc(m * x.shape[2])),
    "TranslateY": lambda x, m: geometry.shift(x, jnp.trunc(m * x.shape[1]), 0),
    "Rotate": lambda x, m: geometry.nearest(x, geometry.rotation(m)),
    "Brightness": lambda x, m: _blend(x, 0.0, m),
    "Color": lambda x, m: _blend(x, _grey(x), m),
    "Contrast": _contrast,
    "Sharpness": _sharpness,
    "Posterize": _posterize,
    "Solarize": _solarize,
    "AutoContrast": _autocontrast,
    "Equalize": _equalize,
    "Invert": lambda x, m: 255 - x,
}
CODES = {name: code for code, name in enumerate(OPERATIONS)}
SIGNED = np.asarray([code < CODES["Posterize"] for code in range(len(CODES))])
STEPS = np.arange(10) / 9
MAGNITUDES = {"ShearX": 0.3 * STEPS, "ShearY": 0.3 * STEPS, "TranslateX": 150 / 331 * STEPS,
              "TranslateY": 150 / 331 * STEPS, "Rotate": 30 * STEPS, "Brightness": 0.9 * STEPS, "Color": 0.9 * STEPS,
              "Contrast": 0.9 * STEPS, "Sharpness": 0.9 * STEPS, "Posterize": 8 - np.round(np.arange(10) / (9 / 4)),
              "Solarize": 256 - 256 * STEPS}  # angles in radians, translations as shares of the size, factors minus 1

# operation, probability, magnitude index; two operations a sub-policy (tables 7 and 9 of the paper)
POLICIES = {
    "cifar10": """
        Invert 0.1; Contrast 0.2 6 | Rotate 0.7 2; TranslateX 0.3 9 | Sharpness 0.8 1; Sharpness 0.9 3
        ShearY 0.5 8; TranslateY 0.7 9 | AutoContrast 0.5; Equalize 0.9 | ShearY 0.2 7; Posterize 0.3 7
        Color 0.4 3; Brightness 0.6 7 | Sharpness 0.3 9; Brightness 0.7 9 | Equalize 0.6; Equalize 0.5
        Contrast 0.6 7; Sharpness 0.6 5 | Color 0.7 7; TranslateX 0.5 8 | Equalize 0.3; AutoContrast 0.4
        TranslateY 0.4 3; Sharpness 0.2 6 | Brightness 0.9 6; Color 0.2 8 | Solarize 0.5 2; Invert 0.0
        Equalize 0.2; AutoContrast 0.6 | Equalize 0.2; Equalize 0.6 | Color 0.9 9; Equalize 0.6
        AutoContrast 0.8; Solarize 0.2 8 | Brightness 0.1 3; Color 0.7 0 | Solarize 0.4 5; AutoContrast 0.9
        TranslateY 0.9 9; TranslateY 0.7 9 | AutoContrast 0.9; Solarize 0.8 3 | Equalize 0.8; Invert 0.1
        TranslateY 0.7 9; AutoContrast 0.9""",
    "imagenet": """
        Posterize 0.4 8; Rotate 0.6 9 | Solarize 0.6 5; AutoContrast 0.6 | Equalize 0.8; Equalize 0.6
        Posterize 0.6 7; Posterize 0.6 6 | Equalize 0.4; Solarize 0.2 4 | Equalize 0.4; Rotate 0.8 8
        Solarize 0.6 3; Equalize 0.6 | Posterize 0.8 5; Equalize 1.0 | Rotate 0.2 3; Solarize 0.6 8
        Equalize 0.6; Posterize 0.4 6 | Rotate 0.8 8; Color 0.4 0 | Rotate 0.4 9; Equalize 0.6
        Equalize 0.0; Equalize 0.8 | Invert 0.6; Equalize 1.0 | Color 0.6 4; Contrast 1.0 8
        Rotate 0.8 8; Color 1.0 2 | Color 0.8 8; Solarize 0.8 7 | Sharpness 0.4 7; Invert 0.6
        ShearX 0.6 5; Equalize 1.0 | Color 0.4 0; Equalize 0.6 | Equalize 0.4; Solarize 0.2 4
        Solarize 0.6 5; AutoContrast 0.6 | Invert 0.6; Equalize 1.0 | Color 0.6 4; Contrast 1.0 8
        Equalize 0.8; Equalize 0.6""",
}


def _tables(text: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(operation codes int32, probabilities float32, magnitudes float32), each [25, 2], of a policy's text."""
    pairs = [[op.split() for op in pair.split(";")] for line in text.split("\n") if line.strip()
             for pair in line.split("|")]
    magnitude = lambda name, chance, level=None: MAGNITUDES[name][int(level)] if level else 0.0
    of = lambda what, dtype: np.asarray([[what(*op) for op in pair] for pair in pairs], dtype)
    return (of(lambda name, *_: CODES[name], np.int32), of(lambda name, chance, *_: float(chance), np.float32),
            of(magnitude, np.float32))


TABLES = {name: _tables(text) for name, text in POLICIES.items()}
