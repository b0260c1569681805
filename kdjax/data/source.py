"""Where images come from: one function, `load`, over several kinds of source."""

import difflib
import logging
import os
import unicodedata
import warnings
from pathlib import Path

import numpy as np

from kdjax.data import cache, download, numbers, stats, subset
from kdjax.data.order import PER_CLASS, VALID, permutation
from kdjax.data.readers import cifar_archive, digits, folder, images, npz, stl10, tfds_folder, tiny_imagenet, unsplit
from kdjax.data.types import Dataset, Raw, Split, check, refuse_empty
from kdjax.errors import UserError

KNOWN_CLASSES = {"digits": 10, "cifar10": 10, "cifar100": 100, "stl10": 10, "tiny_imagenet": 200}
OFFICIAL = (cifar_archive, stl10, tiny_imagenet)  # archives that can be fetched, and their unpacked folders


def load(cfg, seed: int) -> Dataset:
    """The data set of `config.data`, decoded, as uint8 arrays on the host.

    cfg fields: dataset (a name of KNOWN_CLASSES, any TFDS name, or a path to a .npz, an archive or a folder), dir,
    download, verify, stats, image_size, per_class, valid_size, cache_dir; where it has them, per_class_seed, exif,
    resize, test_fraction, test_seed and allow_empty_classes. `seed` chooses the validation images, per_class_seed the
    `per_class` training images of each class among the others (a larger number contains a smaller one). Mean and std
    are those of the whole training data, so that a student on a subset sees what its teacher saw.
    Warns of what was done to the images. Raises UserError, within seconds, for whatever is missing or wrong.
    """
    other = numbers.load(cfg, seed, roots(cfg))
    return reduced(cfg, seed, _images(cfg) if other is None else other)


def _images(cfg) -> Dataset:
    """The whole data set of images."""
    raw = check(_read(cfg), cfg.dataset)
    for note in raw.notes:
        warnings.warn(f"{cfg.dataset}: {note}", stacklevel=2)
    if not getattr(cfg, "allow_empty_classes", False):
        refuse_empty(raw, cfg.dataset)
    how = getattr(cfg, "resize", "stretch")
    train, test = (_square(split, cfg.image_size, how, cfg.dataset) for split in (raw.train, raw.test))
    if train.images.shape[1] != test.images.shape[1]:
        raise UserError(f"{cfg.dataset}: training images have {train.images.shape[1]} pixels a side, test images "
                        f"{test.images.shape[1]}: set data.image_size")
    _check_crop(cfg, train.images.shape[1])
    mean, std = stats.resolve(cfg.stats, raw._replace(train=train))
    return Dataset(raw.name, train, test, None, raw.num_classes, test.images.shape[1], mean, std,
                   classes=raw.classes)


def reduced(cfg, seed: int, data: Dataset) -> Dataset:
    """What of a data set a run sees: its classes, its validation images, its images of each class."""
    data = subset.classes(data, getattr(cfg, "class_ratio", 1.0), seed)
    train = data.train
    rows, held_out = split_valid(len(train.labels), cfg.valid_size, seed)
    rows = first_per_class(train.labels, rows, cfg.per_class, getattr(cfg, "per_class_seed", 0))
    if lost := {*train.labels.tolist()} - {*train.labels[rows].tolist()}:
        raise UserError(f"data.valid_size={cfg.valid_size} leaves no training image of class {min(lost)}: hold out "
                        "fewer")
    valid = _rows(train, held_out) if cfg.valid_size else None
    train = _rows(train, rows) if cfg.valid_size or cfg.per_class else train
    return data._replace(train=subset.share(train, getattr(cfg, "label_ratio", 1.0), seed), valid=valid)


def known_classes(dataset: str) -> int | None:
    """The number of classes of a data set whose name tells it, else None."""
    return KNOWN_CLASSES.get(dataset)


def roots(cfg) -> list[Path]:
    """The folders in which a name is looked up: data.dir, TFDS_DATA_DIR, and where downloads go without either."""
    given = [cfg.dir, os.environ.get("TFDS_DATA_DIR"), cache.folder(cfg.cache_dir) / "downloads"]
    return [Path(root).expanduser() for root in given if root]


def locate(cfg) -> Path | None:
    """The file or folder that `cfg.dataset` names; None where there is none. Touches neither network nor contents.

    A name that is not there as it is written is looked for in Unicode's other normal forms.
    """
    names = dict.fromkeys([cfg.dataset, *(unicodedata.normalize(form, cfg.dataset) for form in ("NFC", "NFD"))])
    return next((path for name in names if (path := _locate(name, roots(cfg)))), None)


def _locate(name: str, places: list[Path]) -> Path | None:
    candidates = [found for root in places if (found := tfds_folder.find(root, name))]
    candidates += [root / place for root in places for reader in OFFICIAL for place in reader.places(name)
                   if reader.recognise(root / place) == name]
    candidates += [path for root in places for path in (root / name, root / f"{name}.npz") if _kind(path)]
    own = Path(name).expanduser()
    return next(iter(candidates), own if own.exists() and (os.sep in name or _kind(own)) else None)


def split_valid(count: int, size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(the rows to train on, `size` random rows to validate on) of `count` images: spec/vid_seed.md, seeded."""
    if not 0 <= size < count:
        raise UserError(f"data.valid_size={size}: must be at least 0 and below the {count} training images")
    order = permutation(count, seed, VALID)
    return np.sort(order[size:]), np.sort(order[:size])


def first_per_class(labels: np.ndarray, rows: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Those of `rows` that come first in a seeded permutation of all images of their class, `count` a class (0: all).

    The permutation is over all of `labels`, so that held-out rows do not change which of the others come first.
    """
    if count == 0:
        return rows
    smallest = int(min(n for n in np.bincount(labels[rows]) if n))
    if not 0 < count <= smallest:
        raise UserError(f"data.per_class={count}: must be 0 for all, or at most {smallest}, the images of the smallest "
                        "class")
    chosen = []
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        ranked = own[permutation(len(own), seed, PER_CLASS, int(label))]
        chosen.append(ranked[np.isin(ranked, rows)][:count])
    return np.sort(np.concatenate(chosen))


def _read(cfg) -> Raw:
    if cfg.image_size is not None and not 1 <= cfg.image_size <= 4096:
        raise UserError(f"data.image_size={cfg.image_size}: must lie in 1 .. 4096, or be left out")
    if not cfg.dataset or "\0" in cfg.dataset:
        raise UserError(f"data.dataset={cfg.dataset!r}: give the name of a data set or a path")
    if cfg.dataset == "digits":
        return digits.read()
    try:
        path = locate(cfg)
        if path is None and cfg.download:
            path = download.fetch(cfg.dataset, roots(cfg)[0])
        if path is None:
            raise UserError(_missing(cfg))
        return _read_path(path, cfg)
    except OSError as error:
        raise UserError(f"cannot read {error.filename or cfg.dataset} ({error.strerror}): check the path and its "
                        "permissions") from error


def _read_path(path: Path, cfg) -> Raw:
    kind = _kind(path)
    if kind is None:
        raise UserError(f"{path} is no data set: give a .npz, a CIFAR archive, a prepared TFDS folder, or a folder of "
                        "images as train/<class>/ and test/<class>/")
    kind, own = _splitting(kind, path, cfg)
    if kind is npz:
        return npz.read(path)
    options = {"size": cfg.image_size, "exif": getattr(cfg, "exif", None) or "ignore"}
    if getattr(cfg, "resize", "stretch") != "stretch":
        options["resize"] = cfg.resize
    options |= own
    if kind in OFFICIAL:
        options = {"verify": getattr(cfg, "verify", True)} if kind is cifar_archive else {"size": cfg.image_size}
    logging.getLogger(__name__).info("reading %s", path)
    return cache.cached(cache.folder(cfg.cache_dir), path, kind.files(path), options,
                        lambda: check(kind.read(path, **options), path))


def _splitting(kind, path: Path, cfg) -> tuple:
    """(the module, its options) that read class folders, of which a share may be held out as test images."""
    fraction = getattr(cfg, "test_fraction", 0.0)
    if not fraction and kind is unsplit:
        raise UserError(f"{path} has class folders, but no train/ and test/: {unsplit.CURE}")
    if fraction and (kind not in (folder, unsplit) or folder.has_test(path)):
        raise UserError(f"{path} has test images of its own: leave data.test_fraction out")
    return (unsplit, {"test_fraction": fraction, "test_seed": getattr(cfg, "test_seed", 0)}) if fraction else (kind, {})


def _kind(path: Path):
    """The module that reads `path`, or None."""
    if path.suffix == ".npz":
        return npz if path.is_file() else None
    return next((kind for kind in (tfds_folder, *OFFICIAL, folder, unsplit) if kind.recognise(path)), None)


def _missing(cfg) -> str:
    name, places = cfg.dataset, ", ".join(str(root) for root in roots(cfg))
    if os.sep in name or name.endswith(".npz"):
        return f"data.dataset={name}: there is no such file or folder: check the path"
    if name not in download.NAMES:
        near = difflib.get_close_matches(name, KNOWN_CLASSES, 1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        return (f"data set {name!r} not found{hint} in {places}: set data.dir to a folder that holds {name}/<version>/ "
                "prepared by TFDS, or set data.dataset to the path of a .npz or of a folder of images by class")
    return (f"data set {name!r} not found in {places}: set data.dir to a folder that holds {name}/<version>/ prepared "
            f"by TFDS, or put the official {download.archive(name)} into data.dir, or set "
            "data.download=True")


def _check_crop(cfg, size: int) -> None:
    """UserError for a random crop that could lie beside the image, or reflect more than there is."""
    crop = getattr(cfg, "crop", 0)
    if crop >= size:
        raise UserError(f"data.crop={crop} pads images of {size} pixels by as much on every side: give less than "
                        f"{size}, or 0 for no random crop")


def _square(split: Split, size: int | None, how: str, where: object) -> Split:
    height, width = split.images.shape[1:3]
    if size is None and height != width:
        raise UserError(f"{where}: images are {height}x{width}, not square: set data.image_size")
    return split if size is None else Split(images.resize(split.images, size, how), split.labels)


def _rows(split: Split, rows: np.ndarray) -> Split:
    return type(split)(*(values[rows] for values in split))
