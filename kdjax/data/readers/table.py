"""Tables of numbers: covtype, HIGGS, scikit-learn's built-in ones, any CSV whose last column is the class.

Source: spec/self_supervised.md, 4.2. Where it differs: statistics are of the training rows unless stats="all" (I9), and
the subset of a million rows has a million (I8).
"""
import gzip
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kdjax.data.order import permutation
from kdjax.errors import UserError

COVTYPE_COLUMNS, COVTYPE_TRAIN, COVTYPE_NUMBERS = 55, 15120, 10
HIGGS_COLUMNS, HIGGS_TEST, HIGGS_LOW = 29, 500_000, 21
BUILT_IN = ("breast_cancer", "wine", "iris", "digits")
TABLES = 5              # a purpose of data.order
TEST_SHARE = 0.2
STATS = ("train", "all")


class Table(NamedTuple):
    """train, test: float32 [N, F]; labels int32. numbers: how many leading columns are numbers, the rest one-hot."""

    name: str
    train: np.ndarray
    train_labels: np.ndarray
    test: np.ndarray
    test_labels: np.ndarray
    num_classes: int
    numbers: int


def covtype(rows: np.ndarray, train: int = COVTYPE_TRAIN, stats: str = "train") -> Table:
    """Rows [N, 55], the last column the class, 0 or 1 the first. Training rows are the first ones of the file.

    Ten numbers are standardised with the population's mean and deviation, 44 one-hot columns stay.
    """
    _columns(rows, COVTYPE_COLUMNS, "covtype")
    labels = rows[:, -1].astype(np.int32)
    data = rows[:, :-1].astype(np.float32)
    numbers = data[:, :COVTYPE_NUMBERS]
    data[:, :COVTYPE_NUMBERS] = standardised(numbers, _fitted(numbers, train, stats))
    return _split("covtype", data, labels - labels.min(), slice(0, train), slice(train, None), COVTYPE_NUMBERS)


def higgs(rows: np.ndarray, every: bool = True, subset: int | None = None, stats: str = "train",
          test: int = HIGGS_TEST) -> Table:
    """Rows [N, 29], the class first. every: all 28 columns, or the 21 low-level ones. The last `test` rows are
    the test.

    subset: so many training rows, by NumPy's legacy seed 1 without replacement (None: all).
    """
    _columns(rows, HIGGS_COLUMNS, "HIGGS")
    count = len(rows) - test
    if count < 1 or not 0 < (subset or count) <= count:
        raise UserError(f"HIGGS has {len(rows)} rows, {test} of them the test, not {subset or 1} more for training")
    chosen = np.arange(count) if subset is None else np.random.RandomState(1).choice(count, subset, replace=False)
    data = rows[:, 1:None if every else HIGGS_LOW + 1].astype(np.float32)
    data = standardised(data, _fitted(data, chosen if stats == "train" else count, stats), 1e-7)
    labels = rows[:, 0].astype(np.int32)
    return _split("higgs", data, labels, chosen, slice(count, None), data.shape[1])


def built_in(name: str, stats: str = "train") -> Table:
    """A table that ships inside scikit-learn; a fifth of the rows, stratified, the same for everybody, is the test."""
    if name not in BUILT_IN:
        raise UserError(f"scikit-learn has no table {name!r}; use one of {', '.join(BUILT_IN)}")
    from sklearn import datasets  # a second to import, so only where it is used
    data, labels = getattr(datasets, f"load_{name}")(return_X_y=True)
    return labelled(name, np.concatenate([data, labels[:, None]], axis=1), stats)


def labelled(name: str, rows: np.ndarray, stats: str = "train") -> Table:
    """Any table whose last column is the class (integers): every other column a number, a stratified fifth the test."""
    labels = rows[:, -1]
    if rows.shape[1] < 2 or not np.array_equal(labels, np.round(labels)):
        raise UserError(f"{name}: the last column must hold the class as an integer")
    classes, labels = np.unique(labels, return_inverse=True)
    test = np.sort(np.concatenate([_test_rows(labels, label) for label in range(len(classes))]))
    train = np.setdiff1d(np.arange(len(labels)), test)
    data = rows[:, :-1].astype(np.float32)
    data = standardised(data, data[train] if stats == "train" else data, 1e-7)
    return _split(name, data, labels.astype(np.int32), train, test, data.shape[1])


def read(path: Path, columns: int | None = None) -> np.ndarray:
    """The numbers of a CSV file, plain or .gz, with or without a line of names, [N, columns] float32.

    Raises UserError for anything that is no number, rows of different lengths, and missing columns.
    """
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rt") as file:
            head = file.readline()
            file.seek(0)
            rows = np.loadtxt(file, np.float32, delimiter=",", ndmin=2, skiprows=0 if _numeric(head) else 1)
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror or 'not a gzip file'}): check the path") from None
    except (ValueError, UnicodeDecodeError, EOFError) as error:
        raise UserError(f"{path} is no table of numbers ({str(error)[:80]}): give comma-separated numbers") from None
    if not len(rows) or not np.isfinite(rows).all():
        raise UserError(f"{path} has no rows, or missing values: fill or drop them")
    if columns is not None:
        _columns(rows, columns, str(path))
    return rows


def standardised(data: np.ndarray, fitted: np.ndarray, epsilon: float = 0.0) -> np.ndarray:
    """(data - mean) / (std + epsilon) per column, mean and population std of `fitted`; a constant column becomes 0."""
    mean, std = fitted.mean(0, dtype=np.float64), fitted.std(0, dtype=np.float64) + epsilon
    return ((data - mean) / np.where(std > 0, std, 1)).astype(np.float32)


def _fitted(data: np.ndarray, train, stats: str) -> np.ndarray:
    if stats not in STATS:
        raise UserError(f"table statistics are those of {' or '.join(STATS)} rows, not {stats!r}")
    return data if stats == "all" else data[:train] if isinstance(train, int) else data[train]


def _split(name: str, data, labels, train, test, numbers: int) -> Table:
    if not len(data[train]) or not len(data[test]):
        raise UserError(f"{name}: {len(data)} rows leave none for training or none for the test: take the whole file")
    return Table(name, data[train], labels[train], data[test], labels[test], int(labels.max()) + 1, numbers)


def _test_rows(labels: np.ndarray, label: int) -> np.ndarray:
    rows = np.flatnonzero(labels == label)
    return rows[permutation(len(rows), 0, TABLES, label)[:round(TEST_SHARE * len(rows))]]


def _columns(rows: np.ndarray, count: int, name: str) -> None:
    if rows.ndim != 2 or rows.shape[1] != count:
        raise UserError(f"{name} has {rows.shape[-1]} columns, not {count}: give the file as it is distributed")


def _numeric(line: str) -> bool:
    try:
        return bool([float(word) for word in line.split(",")])
    except ValueError:
        return False
