"""Fewer classes and fewer images, seeded (spec/self_supervised.md, 2.9; in the originals only ImageNet obeys, I11)."""
import numpy as np

from kdjax.data.order import permutation
from kdjax.data.types import Dataset

CLASSES, SHARE = 6, 7       # purposes of data.order


def classes(data: Dataset, ratio: float, seed: int) -> Dataset:
    """round(ratio * classes) of the classes, at least two, numbered anew in their order; of the test set too."""
    count = max(2, round(ratio * data.num_classes))
    if count >= data.num_classes:
        return data
    kept = np.sort(permutation(data.num_classes, seed, CLASSES)[:count])
    names = tuple(data.classes[label] for label in kept) if data.classes else ()
    return data._replace(train=_of(data.train, kept), test=_of(data.test, kept), num_classes=count, classes=names)


def share(split, ratio: float, seed: int):
    """round(ratio * n) of each class's images, at least one, in their order."""
    if ratio >= 1:
        return split
    rows = [np.flatnonzero(split.labels == label) for label in np.unique(split.labels)]
    count = lambda own: max(1, round(ratio * len(own)))
    chosen = [own[permutation(len(own), seed, SHARE, i)[:count(own)]] for i, own in enumerate(rows)]
    return _rows(split, np.sort(np.concatenate(chosen)))


def _of(split, kept: np.ndarray):
    found = _rows(split, np.flatnonzero(np.isin(split.labels, kept)))
    return found._replace(labels=np.searchsorted(kept, found.labels).astype(np.int32))


def _rows(split, rows: np.ndarray):
    return type(split)(*(values[rows] for values in split))
