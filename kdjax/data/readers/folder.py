"""A folder of images by class: train/<class>/**/*.png and test/<class>/**/*.png, or the layout of Tiny-ImageNet-200."""

import difflib
import os
import unicodedata
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from kdjax.data.readers import formats, images
from kdjax.data.types import Raw, Split
from kdjax.errors import UserError

TEST_NAMES = ("test", "val", "valid", "validation")
LEFT_BY_SYSTEMS = {"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx", "@eadir", "$recycle.bin",
                   "system volume information", "lost+found"}  # in lower case; names with a dot in front besides
MAX_FILE = 64 << 20
START = 64  # bytes that tell a format
Listing = list[tuple[Path, int]]  # file, label


def recognise(path: Path) -> bool:
    """Whether `path` is a folder with a train folder in it."""
    return (path / "train").is_dir()


def files(path: Path) -> list[Path]:
    """The files on which the contents depend."""
    classes = class_names(path / "train")
    return [file for split in (path / "train", test_folder(path)) for file, _ in listing(split, classes)]


def read(path: Path, size: int | None = None, exif: str = "ignore", resize: str = "stretch") -> Raw:
    """Classes are the sorted folder names of train/, images are all files below. They become RGB, resized to size x
    size where given (see `images.Decoder`), turned as their EXIF orientation says with exif="apply".

    Names are compared in Unicode's composed form. Raises UserError for anything in a class folder that is not an image
    (what operating systems leave there is passed over), links that lead outside, a class that train/ lacks, and images
    of different sizes where no size is given. A class without images is left for the caller to judge.
    """
    classes, decoder = class_names(path / "train"), images.Decoder(size, exif, resize)
    train, test = (read_split(path, split, classes, decoder) for split in (path / "train", test_folder(path)))
    return Raw(path.resolve().name, train, test, len(classes), classes=tuple(classes), notes=decoder.notes())


def class_names(root: Path) -> list[str]:
    """The sorted names of the folders in `root`, composed; at least two."""
    names = sorted(_subfolders(root))
    if len(names) < 2:
        raise UserError(f"{root} holds {len(names)} class folders: put the images of each class into "
                        f"{root.name}/<class>/")
    return names


def has_test(path: Path) -> bool:
    """Whether there are test images."""
    try:
        return bool(test_folder(path))
    except UserError:
        return False


def test_folder(path: Path) -> Path:
    """The first of test, val, ... that has class folders, or Tiny-ImageNet's annotations (its test/ has no labels)."""
    for name in TEST_NAMES:
        folder = path / name
        if (folder / "val_annotations.txt").is_file():
            return folder
        if folder.is_dir() and _subfolders(folder).keys() - {"images"}:
            return folder
    raise UserError(f"{path} has no test images: put them into test/<class>/ or val/<class>/, or set "
                    "data.test_fraction=0.2 to hold out a fifth of each class")


def listing(split: Path, classes: list[str]) -> Listing:
    """Every image of a split with its label, in the order of the names."""
    annotations = split / "val_annotations.txt"
    found = _annotated(split, annotations, classes) if annotations.is_file() else _by_class(split, classes)
    if not found:
        raise UserError(f"{split} holds no images: put them into {split.name}/<class>/")
    return found


def composed(name: str) -> str:
    """A name in Unicode's normal form NFC: some systems store "é" as one sign, some as two."""
    return unicodedata.normalize("NFC", name)


def passed_over(name: str) -> bool:
    """Whether a file or folder is none of the user's."""
    return name.startswith(".") or name.lower() in LEFT_BY_SYSTEMS


def _subfolders(folder: Path) -> dict[str, Path]:
    """{composed name: folder}; UserError for two that differ by the normal form only."""
    found: dict[str, Path] = {}
    for entry in sorted(folder.iterdir()):
        if entry.is_dir() and not passed_over(entry.name):
            if composed(entry.name) in found:
                raise UserError(f"{folder} holds two folders called {composed(entry.name)!r}, whose names differ by "
                                "Unicode normal form only: make one of them")
            found[composed(entry.name)] = entry
    return found


def _by_class(split: Path, classes: list[str]) -> Listing:
    folders = _subfolders(split)
    if extra := [name for name in folders if name not in classes]:
        near = difflib.get_close_matches(extra[0].casefold().strip(), [name.casefold() for name in classes], n=1)
        hint = f" (did you mean {next(name for name in classes if name.casefold() == near[0])!r}?)" if near else ""
        raise UserError(f"{split} holds the class {extra[0]!r}, which train/ lacks{hint}: make the class folders agree")
    found = []
    for label, name in enumerate(classes):
        if name in folders:
            found += [(file, label) for file in below(_own_images(folders[name]))]
    return found


def _own_images(folder: Path) -> Path:
    """A class folder, or the images folder in it where it holds nothing else but boxes, as Tiny-ImageNet's do."""
    others = [entry for entry in folder.iterdir() if not passed_over(entry.name) and entry.name != "images"]
    boxes = all(entry.name.endswith("_boxes.txt") for entry in others)
    return folder / "images" if boxes and (folder / "images").is_dir() else folder


def below(folder: Path) -> Iterator[Path]:
    """Every file in a folder and its subfolders, in the order of their composed names."""
    for entry in sorted(folder.iterdir(), key=lambda path: composed(path.name)):
        if passed_over(entry.name):
            continue
        if entry.is_dir():
            if entry.is_symlink():
                raise UserError(f"{entry} is a link to a folder: copy the images instead")
            yield from below(entry)
        else:
            yield entry


def _annotated(split: Path, annotations: Path, classes: list[str]) -> Listing:
    there = {composed(path.name): path for path in (split / "images").iterdir()} if (split / "images").is_dir() else {}
    found = []
    for line in annotations.read_text(encoding="utf-8", errors="replace").splitlines():
        name, _, rest = line.partition("\t")
        wnid = composed(rest.split("\t")[0])
        if wnid not in classes or not name or "/" in name or "\\" in name or "\0" in name or name == "..":
            raise UserError(f"{annotations}: cannot use the line {line[:80]!r}: it must read image, a tab, and a class "
                            "of train/")
        found.append((there.get(composed(name), split / "images" / name), classes.index(wnid)))
    return sorted(found)


def read_split(root: Path, split: Path, classes: list[str], decoder: images.Decoder) -> Split:
    """The images of `split`, which lies in the data set `root`."""
    found, inside = listing(split, classes), root.resolve()
    _refuse_others([file for file, _ in found], split, inside)
    decoded = _decoded([file for file, _ in found], split, inside, decoder)
    return Split(images.stack(decoded, len(found), split), np.array([label for _, label in found], np.int32))


def _decoded(found: list[Path], split: Path, inside: Path, decoder: images.Decoder) -> Iterator[np.ndarray]:
    """The images; UserError for the first that is broken, which says how many others are."""
    for row, file in enumerate(found):
        try:
            yield decoder(_contents(file, inside), file)
        except UserError as error:
            others = sum(not _is_whole(other, inside, decoder) for other in found[row + 1:])
            more = f" ({others:,} of the other files in {split} cannot be used either)" if others else ""
            raise UserError(f"{error}{more}") from error


def _is_whole(file: Path, inside: Path, decoder: images.Decoder) -> bool:
    try:
        decoder(_contents(file, inside), file)
    except UserError:
        return False
    return True


def _refuse_others(found: list[Path], split: Path, inside: Path) -> None:
    """One sentence for all files of a split that are no images kdjax reads, by format."""
    kinds = {file: formats.name(_contents(file, inside, START)) for file in found}
    others = [file for file, kind in kinds.items() if kind not in formats.READ]
    if others:
        told = ", ".join(f"{count:,} {kind}" for kind, count in Counter(kinds[file] for file in others).most_common())
        raise UserError(f"{len(others):,} of the {len(found):,} files in {split} are not {'/'.join(formats.READ)} "
                        f"images ({told}; the first is {others[0]}): convert them to PNG, or remove them")


def _contents(file: Path, inside: Path, most: int | None = None) -> bytes:
    """The bytes of a file, or its first `most`."""
    if not file.resolve().is_relative_to(inside):
        raise UserError(f"{file} is a link to outside of {inside}: copy the image instead")
    if not file.is_file():
        raise UserError(f"{file} is not an image file: a class folder may hold nothing else")
    if os.path.getsize(file) > MAX_FILE:
        raise UserError(f"{file} is larger than {MAX_FILE >> 20} MiB: remove it or save it smaller")
    with open(file, "rb") as stream:
        return stream.read(most) if most else stream.read()
