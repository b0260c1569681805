"""Channel means and standard deviations: the published ones, numbers in any spelling, and measuring others."""

import math
import re
from typing import Any

import numpy as np

from kdjax.data.types import Raw
from kdjax.errors import UserError

Stats = tuple[tuple[float, ...], tuple[float, ...]]

# Sources: spec/protocols.md 1.1 (cifar100), 5.1 (cifar10), 5.2 (stl10, tiny_imagenet), spec/vid_seed.md (cifar10_vid:
# the VID release rounds its std differently; cifar10_per_image_std: what many public CIFAR-10 models were trained with,
# the mean over images of each image's own std). digits: measured on its fixed train split.
STATS: dict[str, Stats] = {
    "cifar10": ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    "cifar10_vid": ((0.4914, 0.4822, 0.4465), (0.247, 0.243, 0.261)),
    "cifar10_per_image_std": ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
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
    return given(wanted)


def given(wanted: Any) -> Stats:
    """(mean, std) by a data set's name, as a pair, or as six numbers: three means, then three deviations.

    Texts may hold the numbers with or without brackets. Raises UserError for an unknown name and for numbers that
    cannot be those of images scaled to 0 .. 1.
    """
    if isinstance(wanted, str) and wanted in STATS:
        return STATS[wanted]
    words = re.sub(r"[\[\](),]", " ", wanted).split() if isinstance(wanted, str) else _flat(wanted)
    try:
        numbers = [float(word) for word in words]
    except (TypeError, ValueError):
        numbers = []
    mean, std = tuple(numbers[:3]), tuple(numbers[3:])
    if len(numbers) != 6 or not all(map(math.isfinite, numbers)) or min(std) <= 0:
        raise UserError(f"data.stats={wanted!r} is unknown: give six numbers, three means and three positive standard "
                        f"deviations, such as 0.5,0.5,0.5,0.25,0.25,0.25, or one of {', '.join(STATS)}, auto, teacher")
    if max(map(abs, mean)) > 1 or max(std) > 10:
        raise UserError(f"data.stats={wanted!r} are not those of images scaled to 0 .. 1: divide them by 255")
    return mean, std


def told(pair: Stats) -> str:
    """A pair as `data.stats` takes it."""
    return ",".join(f"{number:.4g}" for values in pair for number in values)


def differ(one: Stats, other: Stats) -> bool:
    """Whether two pairs are further apart than roundings of the same."""
    return any(abs(a - b) > 2e-3 for left, right in zip(one, other) for a, b in zip(left, right))


def _flat(values: Any) -> list:
    if isinstance(values, str) or not hasattr(values, "__iter__"):
        return [values]
    return [number for entry in values for number in _flat(entry)]
