"""Class folders without a test set: a share of each class is held out, the same images for every run."""

from pathlib import Path

import numpy as np

from kdjax.data.order import permutation
from kdjax.data.readers import folder, formats, images
from kdjax.data.types import Raw, Split
from kdjax.errors import UserError

TEST = 8  # purpose of data.order
CURE = "set data.test_fraction=0.2 to hold out a fifth of each class"


def recognise(path: Path) -> bool:
    """Whether `path` has two or more folders, no train/ among them, and an image in the first that holds a file."""
    if not path.is_dir() or (path / "train").is_dir():
        return False
    own = [entry for entry in sorted(path.iterdir()) if entry.is_dir() and not folder.passed_over(entry.name)]
    firsts = (next((file for file in folder.below(entry) if file.is_file()), None) for entry in own)
    first = next((file for file in firsts if file is not None), None)
    if len(own) < 2 or first is None:
        return False
    with open(first, "rb") as stream:
        return formats.name(stream.read(folder.START)) in formats.READ


def files(path: Path) -> list[Path]:
    """The files on which the contents depend."""
    root = _root(path)
    return [file for file, _ in folder.listing(root, folder.class_names(root))]


def read(path: Path, test_fraction: float, test_seed: int = 0, size: int | None = None, exif: str = "ignore",
         resize: str = "stretch") -> Raw:
    """As `folder.read`, of <class>/ or train/<class>/: round(test_fraction * n) of the n images of each class are the
    test images, at least one, and one stays to train on. test_seed chooses among them in the order of their names.

    Raises UserError as `folder.read` does, and for a class of one image. Whether there are test images of its own is
    the caller's to ask (`folder.has_test`).
    """
    root = _root(path)
    classes, decoder = folder.class_names(root), images.Decoder(size, exif, resize)
    whole = folder.read_split(path, root, classes, decoder)
    held = held_out(whole.labels, classes, test_fraction, test_seed)
    train, test = (Split(whole.images[rows], whole.labels[rows]) for rows in (~held, held))
    note = (f"has no test images: {int(held.sum()):,} of its {len(held):,} images, a share of {test_fraction:g} of "
            "each class, are held out as those (data.test_fraction, data.test_seed)")
    return Raw(path.resolve().name, train, test, len(classes), classes=tuple(classes), notes=(note, *decoder.notes()))


def held_out(labels: np.ndarray, classes: list[str], fraction: float, seed: int) -> np.ndarray:
    """[N] bool: which images of labels [N] are the test set's."""
    held = np.zeros(len(labels), bool)
    for label, name in enumerate(classes):
        own = np.flatnonzero(labels == label)
        if len(own) == 1:
            raise UserError(f"the class {name!r} has one image, which cannot be both trained on and tested on: add "
                            "images, or remove the class")
        count = min(max(1, round(fraction * len(own))), len(own) - 1)
        held[own[permutation(len(own), seed, TEST, label)[:max(count, 0)]]] = True
    return held


def _root(path: Path) -> Path:
    return path / "train" if (path / "train").is_dir() else path
