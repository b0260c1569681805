"""Any prepared TFDS image-classification folder, without TensorFlow, without TFDS and without the network."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from kdjax.data.readers import images, tf_example, tfds_metadata
from kdjax.data.types import Raw, Split
from kdjax.errors import UserError

TEST_NAMES = ("test", "validation")


def recognise(path: Path) -> bool:
    """Whether `path` is the folder of one prepared version."""
    return (path / tfds_metadata.INFO).is_file() and (path / tfds_metadata.FEATURES).is_file()


def find(root: Path, name: str) -> Path | None:
    """The newest version prepared under root/<name>, also in root/<name>/<config>; None where there is none.

    Looks at file names only: TFDS itself would search the network, for minutes, for a data set that is not there.
    """
    folder = root / name
    versions = [path.parent for depth in ("*", "*/*") for path in folder.glob(f"{depth}/{tfds_metadata.INFO}")]
    return max(filter(recognise, versions), key=_version, default=None)


def files(path: Path) -> list[Path]:
    """The files on which the contents depend."""
    return sorted(entry for entry in path.rglob("*") if entry.is_file())


def read(path: Path, size: int | None = None, exif: str = "ignore", resize: str = "stretch") -> Raw:
    """The train split and the test split (validation, where there is no test) of a prepared folder.

    Raises UserError for a damaged folder and for one that holds no labelled images.
    """
    told = tfds_metadata.read(path)
    test = next((name for name in TEST_NAMES if name in told.splits), None)
    if test is None or "train" not in told.splits:
        raise UserError(f"{path} has the splits {', '.join(told.splits)}: it needs train and test")
    decoder = images.Decoder(size, exif, resize)
    try:
        train, test = (_read_split(told, split, decoder, path) for split in ("train", test))
    except (UserError, MemoryError):
        raise
    except Exception as error:  # array_record reports damage with whatever class lies near
        raise UserError(f"{path} is damaged or not a prepared TFDS folder ({_first_words(error)}): prepare it "
                        "again") from error
    published = told.name if told.name in ("cifar10", "cifar100") else ""
    classes = told.num_classes or int(train.labels.max()) + 1
    return Raw(told.name, train, test, classes, published, notes=decoder.notes())


def _read_split(told: tfds_metadata.Prepared, split: str, decoder: images.Decoder, path: Path) -> Split:
    shards, count = told.splits[split]
    labels = []
    if count > sum(file.stat().st_size for file in shards):
        raise ValueError(f"{split} promises more records than its files have bytes")

    def decoded() -> Iterator[np.ndarray]:
        for file in shards:
            for record in tf_example.records(file, told.file_format):
                example = tf_example.fields(record, (told.image_key, told.label_key))
                (image,), (label,) = example[told.image_key], example[told.label_key]
                labels.append(label)
                yield decoder(image, f"{path} ({split} image {len(labels) - 1})")

    stacked = images.stack(decoded(), count, f"{path} ({split})")
    if len(labels) != count:
        raise ValueError(f"{split} has {len(labels)} of {count} records")
    return Split(stacked, np.array(labels, np.int64))


def _version(path: Path) -> tuple:
    return tuple(int(part) if part.isdigit() else -1 for part in path.name.split("."))


def _first_words(error: Exception) -> str:
    return " ".join((str(error) or type(error).__name__).split())[:120]
