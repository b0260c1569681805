"""A .npz of four arrays. Headers are judged before any data is read, so a small file cannot ask for a large memory."""

import zipfile
import zlib
from pathlib import Path

import numpy as np

from kdjax.data.readers import layouts
from kdjax.data.readers.images import MAX_BYTES
from kdjax.data.types import Raw, Split
from kdjax.errors import UserError

KEYS = ("train_images", "train_labels", "test_images", "test_labels")
ALSO = (("x_train", "y_train", "x_test", "y_test"), ("X_train", "y_train", "X_test", "y_test"),
        ("train_x", "train_y", "test_x", "test_y"))  # the same arrays in other tools' words
BOMB_BYTES, BOMB_RATIO = 256 << 20, 200  # no photographs of that size compress so well
_BROKEN = (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, RuntimeError, ArithmeticError, LookupError,
           TypeError, SyntaxError)


def read(path: Path) -> Raw:
    """train_images, test_images: 8-bit images in any of the layouts of layouts.py; train_labels, test_labels: integers
    [N] or [N, 1] from 0. x_train, y_train, x_test, y_test will do as names.

    The number of classes is that of the training labels. Never unpickles. Raises UserError for what is wrong.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = {info.filename: info for info in archive.infolist()}
            keys = next((keys for keys in ALSO if all(f"{key}.npy" in sizes for key in keys)), KEYS)
            missing = [key for key in keys if f"{key}.npy" not in sizes]
            if missing:
                raise UserError(f"{path} lacks {', '.join(missing)}: a data set needs the arrays {', '.join(KEYS)}")
            arrays = [_read_array(archive, sizes[f"{key}.npy"], f"{path} ({key})", key) for key in keys]
    except MemoryError as error:
        raise UserError(f"{path} does not fit into memory: use a smaller data set") from error
    except _BROKEN as error:
        raise UserError(f"{path} is not a whole .npz file: write it again with numpy.savez") from error
    notes: dict[str, None] = {}
    wheres = [f"{path} ({key})" for key in keys]
    train, test = (Split(layouts.images(arrays[at], wheres[at], keys[at], notes),
                         layouts.labels(arrays[at + 1], wheres[at + 1], keys[at + 1])) for at in (0, 2))
    return Raw(path.stem, train, test, _num_classes(train.labels, path), notes=tuple(notes))


def _read_array(archive: zipfile.ZipFile, info: zipfile.ZipInfo, where: str, key: str) -> np.ndarray:
    if info.file_size > MAX_BYTES or info.file_size > max(BOMB_BYTES, BOMB_RATIO * info.compress_size):
        raise UserError(f"{where} decompresses to {info.file_size:,} bytes, a bomb or too large to train on")
    with archive.open(info) as file:
        shape, dtype = _header(file)
        layouts.refuse_type(dtype, where, key)
        if int(np.prod(shape, dtype=object)) * dtype.itemsize > info.file_size:
            raise ValueError("the header promises more data than there is")
    with archive.open(info) as file:
        return np.lib.format.read_array(file, allow_pickle=False)


def _header(file) -> tuple[tuple[int, ...], np.dtype]:
    version = np.lib.format.read_magic(file)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    shape, _, dtype = readers[version](file)
    return shape, dtype


def _num_classes(labels: np.ndarray, path: Path) -> int:
    highest = int(labels.max()) if labels.size else -1
    if not 0 <= highest < labels.size:
        raise UserError(f"{path}: train_labels reach {highest} with {labels.size} images: labels must count classes "
                        "from 0")
    return highest + 1
