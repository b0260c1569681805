"""The official CIFAR-10 and CIFAR-100 python archives, packed or unpacked (Krizhevsky 2009)."""

import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kdjax.data.readers import cifar_pickle, safe_archive
from kdjax.data.types import Raw, Split
from kdjax.errors import UserError
from kdjax.files.download import digest

MAX_FILE = 256 << 20  # the largest official file has 155 MB


class Layout(NamedTuple):
    """An official archive: its md5, its folder, the md5 of the files in it, and the key of the labels."""

    archive: str
    md5: str
    folder: str
    train: dict[str, str]
    test: dict[str, str]
    labels: str
    num_classes: int


LAYOUTS = {
    "cifar10": Layout(
        "cifar-10-python.tar.gz", "c58f30108f718f92721af3b95e74349a", "cifar-10-batches-py",
        {"data_batch_1": "c99cafc152244af753f735de768cd75f", "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
         "data_batch_3": "54ebc095f3ab1f0389bbae665268c751", "data_batch_4": "634d18415352ddfa80567beed471001a",
         "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb"},
        {"test_batch": "40351d587109b95175f43aff81a1287e"}, "labels", 10),
    "cifar100": Layout(
        "cifar-100-python.tar.gz", "eb9058c3a382ffc7106e4002c42a8d85", "cifar-100-python",
        {"train": "16019d7e3df5f24257cddd939b257f8d"}, {"test": "f0ef6b0ae62326f3e7ffdfab6717acfc"},
        "fine_labels", 100),
}


def places(name: str) -> tuple[str, ...]:
    """Where a folder of data holds the data set called `name`; () for another's name."""
    return (LAYOUTS[name].folder, LAYOUTS[name].archive, "") if name in LAYOUTS else ()


def recognise(path: Path) -> str | None:
    """"cifar10" or "cifar100" where `path` looks like that archive or its unpacked folder, else None."""
    for name, layout in LAYOUTS.items():
        packed = path.is_file() and path.name == layout.archive
        if packed or all((path / file).is_file() for file in (*layout.train, *layout.test)):
            return name
    return None


def files(path: Path) -> list[Path]:
    """The files on which the contents depend."""
    layout = LAYOUTS[recognise(path)]
    return [path] if path.is_file() else [path / file for file in (*layout.train, *layout.test)]


def read(path: Path, verify: bool = True) -> Raw:
    """An official archive as data. verify: refuse files whose md5 is not the official one.

    Either way the pickles inside are read as plain data only (cifar_pickle), and archives in memory (safe_archive).
    """
    name = recognise(path)
    layout = LAYOUTS[name]
    contents = _packed(path, layout, verify) if path.is_file() else _unpacked(path, layout, verify)
    train, test = (_split([(path / file, contents[file]) for file in group], layout)
                   for group in (layout.train, layout.test))
    return Raw(name, train, test, layout.num_classes, stats=name)


def _packed(path: Path, layout: Layout, verify: bool) -> dict[str, bytes]:
    if verify:
        _compare(path, digest(path, "md5"), layout.md5)
    return safe_archive.read_tar(path, (*layout.train, *layout.test))


def _unpacked(path: Path, layout: Layout, verify: bool) -> dict[str, bytes]:
    contents = {}
    for file, md5 in {**layout.train, **layout.test}.items():
        if (path / file).stat().st_size > MAX_FILE:
            raise UserError(f"{path / file} is larger than any CIFAR file: get the official archive")
        contents[file] = (path / file).read_bytes()
        if verify:
            _compare(path / file, hashlib.md5(contents[file], usedforsecurity=False).hexdigest(), md5)
    return contents


def _compare(path: Path, got: str, official: str) -> None:
    if got != official:
        raise UserError(f"{path} is not the official file (md5 {got}, official {official}): get it again with "
                        "data.download=True, or read an unofficial copy with data.verify=False")


def _split(pickles: list[tuple[Path, bytes]], layout: Layout) -> Split:
    parts = [_batch(path, cifar_pickle.loads(data, path), layout.labels) for path, data in pickles]
    return Split(*(np.concatenate(column) for column in zip(*parts)))


def _batch(path: Path, batch: dict, label_key: str) -> Split:
    data, labels = batch.get("data"), batch.get(label_key)
    if not isinstance(data, np.ndarray) or data.ndim != 2 or data.shape[1] != 3072:
        raise UserError(f"{path}: its data is not a uint8 array [N, 3072]: get the official file")
    if type(labels) is not list or len(labels) != len(data) or any(type(label) is not int for label in labels):
        raise UserError(f"{path}: its {label_key} are not {len(data)} integers: get the official file")
    if not labels or not 0 <= min(labels) <= max(labels) < 1 << 31:
        raise UserError(f"{path}: its {label_key} are out of range: get the official file")
    return Split(data.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), np.array(labels, np.int32))
