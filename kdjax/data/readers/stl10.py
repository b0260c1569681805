"""STL-10's binary files (Coates, Ng, Lee 2011), packed or unpacked: 5,000 labelled training, 8,000 test images.

The 100,000 unlabelled images are left alone. An image is three planes of 96x96, each column after column; labels
count from 1.
"""

from pathlib import Path

import numpy as np

from kdjax.data.readers import images, safe_archive
from kdjax.data.types import Raw, Split
from kdjax.errors import UserError

ARCHIVE, FOLDER, MD5 = "stl10_binary.tar.gz", "stl10_binary", "91f7769df0f17e558f3565bffb0c7dfb"
URL = "http://ai.stanford.edu/~acoates/stl10"
FILES = ("train_X.bin", "train_y.bin", "test_X.bin", "test_y.bin")
SIDE, NUM_CLASSES = 96, 10
MAX_TOTAL = 4 << 30  # decompressed, with the unlabelled images that are passed over: 3.1 GB


def places(name: str) -> tuple[str, ...]:
    """Where a folder of data holds the data set called `name`; () for another's name."""
    return (FOLDER, ARCHIVE, "stl10", "") if name == "stl10" else ()


def recognise(path: Path) -> str | None:
    """"stl10" where `path` looks like the archive or its unpacked folder, else None."""
    packed = path.is_file() and path.name == ARCHIVE
    return "stl10" if packed or all((path / file).is_file() for file in FILES) else None


def files(path: Path) -> list[Path]:
    """The files on which the contents depend."""
    return [path] if path.is_file() else [path / file for file in FILES]


def read(path: Path, size: int | None = None) -> Raw:
    """The labelled images, resized to size x size where given (bilinear, antialiased, as torchvision does it).

    Raises UserError for files that are not whole images, or whose labels are not 1 .. 10.
    """
    if path.is_file():
        contents = safe_archive.read_tar(path, FILES, MAX_TOTAL)
    else:
        contents = {file: (path / file).read_bytes() for file in FILES}
    train, test = (_split(contents, name, path, size) for name in ("train", "test"))
    return Raw("stl10", train, test, NUM_CLASSES, stats="stl10")


def _split(contents: dict[str, bytes], name: str, path: Path, size: int | None) -> Split:
    pixels, labels = (np.frombuffer(contents[f"{name}_{kind}.bin"], np.uint8) for kind in "Xy")
    if not pixels.size or pixels.size != len(labels) * 3 * SIDE * SIDE:
        raise UserError(f"{path}: {name}_X.bin has {pixels.size:,} bytes for {len(labels):,} labels; each image has "
                        f"{3 * SIDE * SIDE:,}: get the files again")
    if labels.min() < 1 or labels.max() > NUM_CLASSES:
        raise UserError(f"{path}: {name}_y.bin holds labels {labels.min()} .. {labels.max()}, not 1 .. {NUM_CLASSES}: "
                        "get the files again")
    pictures = np.ascontiguousarray(pixels.reshape(-1, 3, SIDE, SIDE).transpose(0, 3, 2, 1))
    return Split(pictures if size is None else images.resize(pictures, size), labels.astype(np.int32) - 1)
