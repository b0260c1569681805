"""What a data set is once it is in memory, and the one check that every reader's result passes."""

from typing import NamedTuple

import numpy as np

from kdjax.errors import UserError


class Split(NamedTuple):
    """images: uint8 [N, H, W, 3]; labels: int32 [N], 0 .. num_classes - 1."""

    images: np.ndarray
    labels: np.ndarray


class Raw(NamedTuple):
    """What a reader returns. stats: the name of its published mean and std in `stats.STATS`, "" where it has none.

    classes: their names, where they have any. notes: what was done to the images, a sentence each, for the user.
    """

    name: str
    train: Split
    test: Split
    num_classes: int
    stats: str = ""
    classes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Dataset(NamedTuple):
    """A data set ready for training. mean, std: per channel, of images scaled to 0 .. 1; valid: where asked for.

    Tables and spectrograms are float arrays that are taken as they are, with mean 0 and std 1. numbers: of a table, how
    many leading columns are numbers; image_size: how many columns there are. classes: their names, where they have any.
    """

    name: str
    train: Split
    test: Split
    valid: Split | None
    num_classes: int
    image_size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    numbers: int = 0
    classes: tuple[str, ...] = ()


def check(raw: Raw, where: object) -> Raw:
    """`raw` with int32 labels and contiguous images; a UserError that names `where` if it is no data set of images.

    Classes without images are `refuse_empty`'s affair.
    """
    splits = [_check_split(split, raw.num_classes, f"{where} ({name})")
              for name, split in (("train", raw.train), ("test", raw.test))]
    if raw.num_classes < 2:
        raise UserError(f"{where} has {raw.num_classes} class: a data set needs at least two")
    return raw._replace(train=splits[0], test=splits[1])


def _check_split(split: Split, num_classes: int, where: str) -> Split:
    images, labels = np.asarray(split.images), np.asarray(split.labels)
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3 or 0 in images.shape:
        raise UserError(f"{where}: images must be uint8 [N, H, W, 3], not {images.dtype} {list(images.shape)}")
    if labels.ndim != 1 or len(labels) != len(images) or labels.dtype.kind not in "iu":
        raise UserError(f"{where}: labels must be integers [{len(images)}], one an image, "
                        f"not {labels.dtype} {list(labels.shape)}")
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= num_classes:
        raise UserError(f"{where}: labels must lie in 0 .. {num_classes - 1}, found {low} .. {high}")
    return Split(np.ascontiguousarray(images), labels.astype(np.int32))


def refuse_empty(raw: Raw, where: object) -> None:
    """UserError for a class without a training image, which would train an output that never learns."""
    counts = np.bincount(raw.train.labels, minlength=raw.num_classes)
    empty = np.flatnonzero(counts == 0)
    if not len(empty):
        return
    names = [f"{label} ({raw.classes[label]})" if raw.classes else str(label) for label in empty[:5]]
    more = f" and {len(empty) - 5} more" if len(empty) > 5 else ""
    cause = ("labels that count from 1, as these seem to, need `labels - 1`" if [*empty] == [0] and not raw.classes else
             "an empty folder, or a subset that lacks classes")
    raise UserError(f"{where} has no training image of class {', '.join(names)}{more}: {cause}; set "
                    "data.allow_empty_classes=True if it is meant so")
