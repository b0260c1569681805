"""Tiny data sets of every kind, written by hand, and a config to load them with."""
import io
import json
import pickle
import struct
import tarfile
import types

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def make_cfg(tmp_path, monkeypatch):
    """config.data as a plain namespace; nothing outside of tmp_path is looked at."""
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    monkeypatch.delenv("KDJAX_CACHE", raising=False)
    defaults = dict(dataset="digits", dir="", download=False, verify=True, stats="auto", image_size=None, per_class=0,
                    valid_size=0, cache_dir=str(tmp_path / "cache"))
    return lambda **fields: types.SimpleNamespace(**{**defaults, **fields})


@pytest.fixture
def arrays():
    """12 training and 6 test images of 3 classes, 8x8."""
    rng = np.random.default_rng(0)
    image = lambda n: rng.integers(0, 256, (n, 8, 8, 3), dtype=np.uint8)
    return dict(train_images=image(12), train_labels=np.arange(12) % 3,
                test_images=image(6), test_labels=np.arange(6) % 3)


@pytest.fixture
def png():
    """An image array as the bytes of a file."""
    def encode(array, kind="PNG"):
        file = io.BytesIO()
        Image.fromarray(array).save(file, kind)
        return file.getvalue()
    return encode


@pytest.fixture
def cifar_folder(tmp_path):
    """An unofficial cifar-100-python folder: 5 training and 4 test images, Python-2 style keys."""
    folder = tmp_path / "cifar-100-python"
    folder.mkdir()
    rng = np.random.default_rng(1)
    for name, count in (("train", 5), ("test", 4)):
        batch = {b"data": rng.integers(0, 256, (count, 3072), dtype=np.uint8), b"fine_labels": list(range(count)),
                 b"filenames": [b"x.png"] * count}
        (folder / name).write_bytes(pickle.dumps(batch, 2))
    return folder


@pytest.fixture
def pack(tmp_path):
    """Writes a .tar.gz of {name: bytes or TarInfo}; returns its path."""
    def write(members, path=tmp_path / "cifar-100-python.tar.gz"):
        with tarfile.open(path, "w:gz") as archive:
            for name, content in members.items():
                info = content if isinstance(content, tarfile.TarInfo) else tarfile.TarInfo(name)
                body = b"" if isinstance(content, tarfile.TarInfo) else content
                info.size = len(body)
                archive.addfile(info, io.BytesIO(body))
        return path
    return write


@pytest.fixture
def make_tfds(tmp_path, png):
    """Writes a prepared TFDS folder without TensorFlow; returns the root to be used as data.dir."""
    def write(name="shapes", version="1.0.0", file_format="array_record", splits=("train", "test"), count=6,
              image=None, label_class="class_label_feature.ClassLabel", root=tmp_path / "tfds"):
        folder = root / name / version
        folder.mkdir(parents=True)
        for split in splits:
            rng = np.random.default_rng(len(split))
            records = [_example(image or png(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)), row % 3)
                       for row in range(count)]
            _write_records(folder / f"{name}-{split}.{file_format}-00000-of-00001", records, file_format)
        (folder / "dataset_info.json").write_text(json.dumps(_info(name, version, file_format, splits, count)))
        (folder / "features.json").write_text(json.dumps(_features(label_class)))
        return root
    return write


def _write_records(path, records, file_format):
    if file_format == "tfrecord":
        path.write_bytes(b"".join(struct.pack("<QI", len(r), 0) + r + bytes(4) for r in records))
        return
    from array_record.python.array_record_module import ArrayRecordWriter
    writer = ArrayRecordWriter(str(path), "group_size:1")
    for record in records:
        writer.write(record)
    writer.close()


def _field(number, payload):
    """One length-delimited protobuf field."""
    size, length = len(payload), b""
    while size > 127:
        length, size = length + bytes([size & 127 | 128]), size >> 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + payload


def _example(image, label):
    """A serialised tf.train.Example of an image's bytes and a label."""
    features = {b"image": _field(1, _field(1, image)), b"label": _field(3, _field(1, bytes([label]))),
                b"id": _field(1, _field(1, b"row"))}
    return _field(1, b"".join(_field(1, _field(1, key) + _field(2, value)) for key, value in features.items()))


def _info(name, version, file_format, splits, count):
    return {"name": name, "version": version, "fileFormat": file_format,
            "supervisedKeys": {"tuple": {"items": [{"featureKey": "image"}, {"featureKey": "label"}]}},
            "splits": [{"name": split, "numBytes": "1", "shardLengths": [str(count)],
                        "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}"} for split in splits]}


def _features(label_class):
    base = "tensorflow_datasets.core.features."
    shape = {"dimensions": ["8", "8", "3"]}
    if "." in label_class and not label_class.startswith("class_label"):
        base_label = label_class
    else:
        base_label = base + label_class
    return {"pythonClassName": base + "features_dict.FeaturesDict", "featuresDict": {"features": {
        "id": {"pythonClassName": base + "text_feature.Text", "text": {}},
        "image": {"pythonClassName": base + "image_feature.Image", "image": {"dtype": "uint8", "shape": shape}},
        "label": {"pythonClassName": base_label, "classLabel": {"numClasses": "3"}}}}}
