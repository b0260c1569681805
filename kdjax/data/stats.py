"""Channel means and standard deviations: the published ones, and measuring others."""

import math

import numpy as np

from kdjax.data.types import Raw
from kdjax.errors import UserError

Stats = tuple[tuple[float, ...], tuple[float, ...]]

# Sources: spec/protocols.md 1.1 (cifar100), 5.1 (cifar10), 5.2 (stl10, tiny_imagenet), spec/vid_seed.md (cifar10_vid:
# the VID release rounds its std differently). digits: measured on its fixed train split.
STATS: dict[str, Stats] = {
    "cifar10": ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    "cifar10_vid": ((0.4914, 0.4822, 0.4465), (0.247, 0.243, 0.261)),
    "cifar100": ((0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761)),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "stl10": ((0.4467, 0.4398, 0.4066), (0.2603, 0.2566, 0.2712)),
    "tiny_imagenet": ((0.4802, 0.4481, 0.3975), (0.2770, 0.2691, 0.2821)),
    # the self-supervised releases' own (spec/self_supervised.md, 2.6)
    "cifar10_ssl": ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
    "cifar100_ssl": ((0.5071, 0.4865, 0.4409), (0.2009, 0.1984, 0.2023)),
    "digits": ((0.3053,) * 3, (0.3234,) * 3),
}


def measure(images: np.ndarray) -> Stats:
    """Mean and population std per channel of uint8 images [N, H, W, 3] scaled to 0 .. 1; std 1 where constant."""
    value = np.arange(256) / 255
    counts = [np.bincount(images[..., c].ravel(), minlength=256) for c in range(images.shape[-1])]
    mean = [float(n @ value / n.sum()) for n in counts]
    std = [math.sqrt(float(n @ (value - m) ** 2 / n.sum())) for n, m in zip(counts, mean)]
    return tuple(mean), tuple(s or 1.0 for s in std)


def resolve(wanted: object, raw: Raw) -> Stats:
    """`config.data.stats` as (mean, std): "auto" is the data set's published pair, else measured on train."""
    if wanted == "auto":
        return STATS[raw.stats] if raw.stats else measure(raw.train.images)
    if wanted == "ssl":
        return STATS.get(f"{raw.stats}_ssl") or resolve("auto", raw)
    if isinstance(wanted, str):
        if wanted not in STATS:
            raise UserError(f"data.stats={wanted!r} is unknown: use auto, a pair (mean, std), or one of "
                            f"{', '.join(STATS)}")
        return STATS[wanted]
    return _pair(wanted)


def _pair(wanted: object) -> Stats:
    try:
        mean, std = (tuple(float(value) for value in values) for values in wanted)
        good = len(mean) == len(std) == 3 and all(map(math.isfinite, mean + std)) and min(std) > 0
    except (TypeError, ValueError):
        good = False
    if not good:
        raise UserError(f"data.stats={wanted!r}: a pair needs three means and three positive standard deviations")
    return mean, std
