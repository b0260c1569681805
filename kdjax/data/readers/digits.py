"""The digits that ship inside scikit-learn, as 32x32 colour images: a data set that needs no files and no network."""

import numpy as np

from kdjax.data.order import DIGITS, permutation
from kdjax.data.types import Raw, Split

TEST_FRACTION = 0.2


def read() -> Raw:
    """1,797 handwritten digits (Alpaydin & Kaynak, UCI), 8x8 bilinearly enlarged to 32x32x3: 1,438 train, 359 test.

    The split is stratified and the same for every seed, on every machine.
    """
    from sklearn.datasets import load_digits  # a second to import, so only where it is used

    data = load_digits()
    images, labels = enlarge(data.images), data.target
    test = np.sort(np.concatenate([_test_rows(labels, digit) for digit in range(10)]))
    train = np.setdiff1d(np.arange(len(labels)), test)
    return Raw("digits", Split(images[train], labels[train]), Split(images[test], labels[test]), 10, stats="digits")


def enlarge(small: np.ndarray) -> np.ndarray:
    """[N, 8, 8] with values 0 .. 16 -> uint8 [N, 32, 32, 3]. Every intermediate is an exact binary fraction, so the
    result is the same on every machine."""
    centre = (np.arange(32) + 0.5) / 4 - 0.5
    weights = np.maximum(0, 1 - abs(centre.clip(0, 7)[:, None] - np.arange(8)))
    grey = weights @ small @ weights.T * 255 / 16
    return np.repeat(np.rint(grey).astype(np.uint8)[..., None], 3, axis=-1)


def _test_rows(labels: np.ndarray, digit: int) -> np.ndarray:
    rows = np.flatnonzero(labels == digit)
    order = permutation(len(rows), 0, DIGITS, digit)
    return rows[order[: round(TEST_FRACTION * len(rows))]]
