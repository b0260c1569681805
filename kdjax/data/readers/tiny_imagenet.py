"""Tiny-ImageNet-200 (Stanford CS231N) in its own layout, packed or unpacked: 100,000 training, 10,000 test images.

Classes are the sorted wnids, not the order of wnids.txt. Images are 64x64 JPEG; the grey ones become RGB. The test
images have no labels, so the validation images are what is tested on.
"""

import re
import zipfile
from pathlib import Path

import numpy as np

from kdjax.data.readers import folder, images
from kdjax.data.types import Raw, Split
from kdjax.errors import UserError

ARCHIVE, FOLDER, MD5 = "tiny-imagenet-200.zip", "tiny-imagenet-200", "90528d7ca1a48142e341f4ef8d21d0de"
URL = "http://cs231n.stanford.edu"
NAME, NUM_CLASSES = "tiny_imagenet", 200
TRAIN = re.compile(r"(?:[^/]+/)?train/([^/]+)/images/[^/]+\.JPEG")
VALID = re.compile(r"(?:[^/]+/)?val/images/([^/]+\.JPEG)")
NOTES = re.compile(r"(?:[^/]+/)?val/val_annotations\.txt")
MAX_FILES, MAX_FILE = 500_000, 8 << 20
_BROKEN = (zipfile.BadZipFile, OSError, EOFError, RuntimeError, NotImplementedError, ValueError)


def places(name: str) -> tuple[str, ...]:
    """Where a folder of data holds the data set called `name`; () for another's name."""
    return (FOLDER, ARCHIVE, NAME, "") if name == NAME else ()


def recognise(path: Path) -> str | None:
    """"tiny_imagenet" where `path` looks like the archive or its unpacked folder, else None."""
    packed = path.is_file() and path.name == ARCHIVE
    own = (path / "wnids.txt").is_file() and (path / "val" / "val_annotations.txt").is_file()
    return NAME if packed or (own and (path / "train").is_dir()) else None


def files(path: Path) -> list[Path]:
    """The files on which the contents depend."""
    return [path] if path.is_file() else folder.files(path)


def read(path: Path, size: int | None = None) -> Raw:
    """The images, resized to size x size where given (bilinear, antialiased, as torchvision does it).

    Raises UserError for anything that is not an image, an annotation of an unknown class, an archive that is damaged
    or a bomb. Nothing is unpacked to the disk.
    """
    if path.is_dir():
        return folder.read(path, size)._replace(name=NAME, stats=NAME)
    try:
        with zipfile.ZipFile(path) as archive:
            return _read_archive(archive, path, size)
    except _BROKEN as error:
        raise UserError(f"{path} is not a whole zip archive ({type(error).__name__}): delete it and get it "
                        "again") from None


def _read_archive(archive: zipfile.ZipFile, path: Path, size: int | None) -> Raw:
    members = archive.infolist()
    if len(members) > MAX_FILES or any(m.file_size > MAX_FILE for m in members):
        raise UserError(f"{path} holds more files than Tiny-ImageNet-200, or larger ones: get the official archive")
    names = sorted(m.filename for m in members)
    train = [(name, found[1]) for name in names if (found := TRAIN.fullmatch(name))]
    notes = [name for name in names if NOTES.fullmatch(name)]
    classes = sorted({wnid for _, wnid in train})
    if len(notes) != 1 or len(classes) < 2:
        raise UserError(f"{path} lacks train/<wnid>/images or val/val_annotations.txt: get the official archive")
    said = dict(line.split("\t")[:2] for line in archive.read(notes[0]).decode(errors="replace").splitlines()
                if line.count("\t"))
    valid = [(name, said.get(found[1], "")) for name in names if (found := VALID.fullmatch(name))]
    if unknown := [name for name, wnid in valid if wnid not in classes]:
        raise UserError(f"{path}: {unknown[0]} has no class of train/ in val_annotations.txt: get the official archive")
    return Raw(NAME, _split(archive, train, classes, path, size), _split(archive, valid, classes, path, size),
               len(classes), stats=NAME)


def _split(archive: zipfile.ZipFile, found: list[tuple[str, str]], classes: list[str], path: Path,
           size: int | None) -> Split:
    if not found:
        raise UserError(f"{path} lacks val/images: get the official archive")
    number = {wnid: label for label, wnid in enumerate(classes)}
    decoded = (images.decode(archive.read(name), f"{path}: {name}", size) for name, _ in found)
    return Split(images.stack(decoded, len(found), path), np.array([number[wnid] for _, wnid in found], np.int32))
