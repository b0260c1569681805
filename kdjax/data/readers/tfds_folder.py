"""Any prepared TFDS image-classification folder, without TensorFlow and without the network."""

import json
import os
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from kdjax.data.readers import images
from kdjax.data.types import Raw, Split
from kdjax.errors import UserError

CHUNK = 1000  # records in memory at a time
TEST_NAMES = ("test", "validation")


def recognise(path: Path) -> bool:
    """Whether `path` is the folder of one prepared version."""
    return (path / "dataset_info.json").is_file() and (path / "features.json").is_file()


def find(root: Path, name: str) -> Path | None:
    """The newest version prepared under root/<name>, also in root/<name>/<config>; None where there is none.

    Looks at file names only: TFDS itself would search the network, for minutes, for a data set that is not there.
    """
    folder = root / name
    versions = [path.parent for depth in ("*", "*/*") for path in folder.glob(f"{depth}/dataset_info.json")]
    return max(filter(recognise, versions), key=_version, default=None)


def files(path: Path) -> list[Path]:
    """The files on which the contents depend."""
    return sorted(entry for entry in path.iterdir() if entry.is_file())


def read(path: Path, size: int | None = None) -> Raw:
    """The train split and the test split (validation, where there is no test) of a prepared folder.

    array_record folders are read through `tfds`'s data source, tfrecord folders, which it refuses, frame by frame.
    Raises UserError for a damaged folder and for one that holds no labelled images.
    """
    _refuse_foreign_code(path)
    import tensorflow_datasets as tfds  # slow to import; never imports tensorflow by itself

    try:
        builder = tfds.builder_from_directory(path)
        image_key, label_key = _keys(builder.info, path)
        classes = builder.info.features[label_key].num_classes
        test = next((name for name in TEST_NAMES if name in builder.info.splits), None)
        if test is None or "train" not in builder.info.splits:
            raise UserError(f"{path} has the splits {', '.join(builder.info.splits)}: it needs train and test")
        train, test = (_read_split(builder, split, image_key, label_key, size, path) for split in ("train", test))
    except (UserError, MemoryError):
        raise
    except Exception as error:  # tfds and array_record report damage with whatever class lies near
        raise UserError(f"{path} is damaged or not a prepared TFDS folder ({_first_words(error)}): prepare it "
                        "again") from error
    name = builder.info.name
    published = name if name in ("cifar10", "cifar100") else ""
    return Raw(name, train, test, classes or int(train.labels.max()) + 1, published)


def _refuse_foreign_code(path: Path) -> None:
    """TFDS imports the module of every feature class that features.json names; only its own may be named."""
    try:
        todo = [json.loads((path / "features.json").read_text(encoding="utf-8"))]
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path / 'features.json'} is damaged: prepare the data set again") from error
    while todo:
        node = todo.pop()
        if isinstance(node, dict):
            name = node.get("pythonClassName", "tensorflow_datasets.")
            if not str(name).startswith("tensorflow_datasets."):
                raise UserError(f"{path / 'features.json'} asks for the code {name!r}: only TFDS's own features are "
                                "read")
        if isinstance(node, dict | list):
            todo += node.values() if isinstance(node, dict) else node


def _keys(info, path: Path) -> tuple[str, str]:
    import tensorflow_datasets as tfds

    features = info.features
    keys = {kind: [key for key, feature in dict(features).items() if type(feature) is kind]
            for kind in (tfds.features.Image, tfds.features.ClassLabel)}
    named = info.supervised_keys if isinstance(info.supervised_keys, tuple) else ()
    chosen = [next((key for key in (*named, standard) if key in found), None)
              for standard, found in zip(("image", "label"), keys.values())]
    if None in chosen:
        raise UserError(f"{path} is no image classification data set: its features are {', '.join(dict(features))}")
    return tuple(chosen)


def _read_split(builder, split: str, image_key: str, label_key: str, size: int | None, path: Path) -> Split:
    import tensorflow_datasets as tfds

    # Of each record only these two fields are parsed; the image stays bytes for our own, guarded decoder.
    wanted = tfds.features.FeaturesDict({key: builder.info.features[key] for key in (image_key, label_key)})
    skip = {image_key: tfds.decode.SkipDecoding()}
    count, labels = builder.info.splits[split].num_examples, []

    def decoded() -> Iterator[np.ndarray]:
        for row, record in enumerate(_records(builder, split)):
            example = wanted.deserialize_example_np(record, decoders=skip)
            labels.append(int(example[label_key]))
            yield images.decode(example[image_key], f"{path} ({split} image {row})", size)

    stacked = images.stack(decoded(), count, f"{path} ({split})")
    if len(labels) != count:
        raise ValueError(f"{split} has {len(labels)} of {count} records")
    return Split(stacked, np.array(labels, np.int64))


def _records(builder, split: str) -> Iterator[bytes]:
    if builder.info.file_format.value == "tfrecord":
        for file in builder.info.splits[split].filepaths:
            yield from _tfrecords(os.fspath(file))
        return
    source = builder.as_data_source(split=split).data_source
    for start in range(0, len(source), CHUNK):
        yield from source.__getitems__(range(start, min(start + CHUNK, len(source))))


def _tfrecords(file: str) -> Iterator[bytes]:
    """Frames of uint64 length, uint32 checksum, data, uint32 checksum (CRC-32C: no fast code here to check it)."""
    with open(file, "rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        while head := stream.read(12):
            length = struct.unpack("<Q", head[:8])[0] if len(head) == 12 else size
            if length > size - stream.tell() - 4:
                raise ValueError(f"{os.path.basename(file)} is cut short")
            yield stream.read(length)
            stream.read(4)


def _version(path: Path) -> tuple:
    return tuple(int(part) if part.isdigit() else -1 for part in path.name.split("."))


def _first_words(error: Exception) -> str:
    return " ".join((str(error) or type(error).__name__).split())[:120]
