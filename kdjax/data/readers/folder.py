"""A folder of images by class: train/<class>/*.png and test/<class>/*.png, or the layout of Tiny-ImageNet-200."""

from pathlib import Path

import numpy as np

from kdjax.data.readers import images
from kdjax.data.types import Raw, Split
from kdjax.errors import UserError

TEST_NAMES = ("test", "val", "valid", "validation")
MAX_FILE = 64 << 20
Listing = list[tuple[Path, int]]  # file, label


def recognise(path: Path) -> bool:
    """Whether `path` is a folder with a train folder in it."""
    return (path / "train").is_dir()


def files(path: Path) -> list[Path]:
    """The files on which the contents depend."""
    classes = class_names(path)
    return [file for split in (path / "train", test_folder(path)) for file, _ in listing(split, classes)]


def read(path: Path, size: int | None = None) -> Raw:
    """Classes are the sorted folder names of train/. Images become RGB, resized to size x size where given.

    Raises UserError for anything in a class folder that is not an image, links that lead outside, a class that train/
    lacks, and images of different sizes where no size is given.
    """
    classes = class_names(path)
    train, test = (_read_split(path, split, classes, size) for split in (path / "train", test_folder(path)))
    return Raw(path.resolve().name, train, test, len(classes))


def class_names(path: Path) -> list[str]:
    """The sorted names of the folders in train/; at least two."""
    names = _subfolders(path / "train")
    if len(names) < 2:
        raise UserError(f"{path / 'train'} holds {len(names)} class folders: put the images of each class into "
                        "train/<class>/")
    return names


def test_folder(path: Path) -> Path:
    """The first of test, val, ... that has class folders, or Tiny-ImageNet's annotations (its test/ has no labels)."""
    for name in TEST_NAMES:
        folder = path / name
        if (folder / "val_annotations.txt").is_file():
            return folder
        if folder.is_dir() and set(_subfolders(folder)) - {"images"}:
            return folder
    raise UserError(f"{path} has no test images: put them into test/<class>/ or val/<class>/")


def listing(split: Path, classes: list[str]) -> Listing:
    """Every image of a split with its label, in the order of the names."""
    annotations = split / "val_annotations.txt"
    found = _annotated(split, annotations, classes) if annotations.is_file() else _by_class(split, classes)
    if not found:
        raise UserError(f"{split} holds no images: put them into {split.name}/<class>/")
    return found


def _subfolders(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def _by_class(split: Path, classes: list[str]) -> Listing:
    extra = [name for name in _subfolders(split) if name not in classes]
    if extra:
        raise UserError(f"{split} holds the class {extra[0]!r}, which train/ lacks: make the class folders agree")
    found = []
    for label, name in enumerate(classes):
        inner = split / name / "images"  # Tiny-ImageNet keeps boxes beside an images folder
        folder = inner if inner.is_dir() else split / name
        if folder.is_dir():
            found += [(file, label) for file in sorted(folder.iterdir()) if not file.name.startswith(".")]
    return found


def _annotated(split: Path, annotations: Path, classes: list[str]) -> Listing:
    found = []
    for line in annotations.read_text(encoding="utf-8", errors="replace").splitlines():
        name, _, rest = line.partition("\t")
        wnid = rest.split("\t")[0]
        if wnid not in classes or not name or "/" in name or "\\" in name or "\0" in name or name == "..":
            raise UserError(f"{annotations}: cannot use the line {line[:80]!r}: it must read image, a tab, and a class "
                            "of train/")
        found.append((split / "images" / name, classes.index(wnid)))
    return sorted(found)


def _read_split(root: Path, split: Path, classes: list[str], size: int | None) -> Split:
    found, inside = listing(split, classes), root.resolve()
    decoded = (images.decode(_contents(file, inside), file, size) for file, _ in found)
    return Split(images.stack(decoded, len(found), split), np.array([label for _, label in found], np.int32))


def _contents(file: Path, inside: Path) -> bytes:
    if not file.resolve().is_relative_to(inside):
        raise UserError(f"{file} is a link to outside of {inside}: copy the image instead")
    if not file.is_file():
        raise UserError(f"{file} is not an image file: a class folder may hold nothing else")
    if file.stat().st_size > MAX_FILE:
        raise UserError(f"{file} is larger than {MAX_FILE >> 20} MiB: remove it or save it smaller")
    return file.read_bytes()
