"""What a prepared TFDS folder says of itself, read as plain JSON.

TFDS would import the module of every feature class that features.json names, in any of three spellings and at any
depth, and of the builder that dataset_info.json names. Here a name is only ever compared with the names below, and a
file's path stays inside the folder.
"""

import json
import re
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from kdjax.errors import UserError

FEATURES, INFO = "features.json", "dataset_info.json"
OWN = "tensorflow_datasets."  # what the full names of TFDS's own feature classes begin with
CLASS_SPELLINGS = ("pythonClassName", "python_class_name", "type")
TEMPLATE = "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}"
FORMATS = ("array_record", "tfrecord")
MAX_CLASSES, MAX_SHARDS = 1_000_000, 100_000


class Split(NamedTuple):
    """files: the shards in order; count: how many records they hold together."""

    files: list[Path]
    count: int


class Prepared(NamedTuple):
    """num_classes: 0 where the label does not tell. file_format: one of FORMATS."""

    name: str
    image_key: str
    label_key: str
    num_classes: int
    file_format: str
    splits: dict[str, Split]


def read(path: Path) -> Prepared:
    """The description in `path`; raises UserError for a damaged one and for data that is no image classification."""
    features = _load(path / FEATURES, _features)
    supervised = _load(path / INFO, _supervised)
    image, label = _keys(features, supervised, path)
    _refuse_dtype(path, image, features[image])
    classes = _load(path / FEATURES, lambda _: _classes(features[label]))
    name, file_format, splits = _load(path / INFO, lambda info: (_name(info), _format(info, path), _splits(info, path)))
    return Prepared(name, image, label, classes, file_format, splits)


def _load(file: Path, parse):
    """parse(the JSON in `file`); whatever is wrong with its structure becomes one sentence."""
    try:
        return parse(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise UserError(f"{file} is damaged or not TFDS's ({type(error).__name__}): prepare it again") from error


def _features(content: dict) -> dict[str, dict]:
    """{key: {"kind": class of TFDS or "", "class": as it is written, ...its content}} of the outermost dictionary."""
    inner = _content(content)
    inner = inner["features"] if set(inner) == {"features"} else inner
    return {key: {**_content(feature), "class": str(_class(feature)), "kind": _kind(_class(feature))}
            for key, feature in inner.items()}


def _content(node: dict) -> dict:
    """A feature's own fields: beside its class under a name of their own, or as "content", which may be JSON again."""
    if "content" in node:
        content = node["content"]
        return json.loads(content) if isinstance(content, str) else dict(content)
    return next((dict(value) for value in node.values() if isinstance(value, dict)), {})


def _class(node: dict) -> Any:
    return next((node[spelling] for spelling in CLASS_SPELLINGS if spelling in node), "")


def _kind(name: Any) -> str:
    own = isinstance(name, str) and name.startswith(OWN)
    return re.split("[.:]", name)[-1] if own else ""


def _keys(features: dict[str, dict], supervised: list, path: Path) -> tuple[str, str]:
    """The keys of the image and of the label: the ones that the data set is supervised with come first."""
    found = []
    for kind, standard in (("Image", "image"), ("ClassLabel", "label")):
        keys = [key for key, feature in features.items() if feature["kind"] == kind]
        found.append(next((key for key in (*supervised, standard, *keys[:1] * (len(keys) == 1)) if key in keys), None))
    if None in found:
        told = ", ".join(f"{key} ({feature['class'] or 'no class'})"[:120] for key, feature in features.items())
        raise UserError(f"{path} is no image classification data set of TFDS's own Image and ClassLabel, and classes "
                        f"that a file names are not imported: its features are {_printable(told)}")
    return tuple(found)


def _supervised(info: dict) -> list[str]:
    """The two keys, in the newer form or as {"input": ..., "output": ...}."""
    todo, found = [_either(info, "supervisedKeys", "supervised_keys", {})], []
    while todo:
        node = todo.pop(0)
        if isinstance(node, str):
            found.append(node)
        elif isinstance(node, dict | list):
            todo += node.values() if isinstance(node, dict) else node
    return found


def _refuse_dtype(path: Path, key: str, feature: dict) -> None:
    if feature.get("dtype", "uint8") not in ("", "uint8", "uint16"):
        raise UserError(f"{path}: its {key} holds {_printable(str(feature['dtype']))[:40]} and not uint8 or uint16 "
                        "images: save them as uint8, for example as a .npz")


def _classes(feature: dict) -> int:
    classes = int(_either(feature, "numClasses", "num_classes", 0) or 0)
    if not 0 <= classes <= MAX_CLASSES:
        raise ValueError(classes)
    return classes


def _name(info: dict) -> str:
    if not re.fullmatch(r"[\w.-]+", info["name"]):
        raise ValueError("name")
    return info["name"]


def _format(info: dict, path: Path) -> str:
    name = _either(info, "fileFormat", "file_format", "tfrecord")
    if name not in FORMATS:
        raise UserError(f"{path} holds {_printable(str(name))[:40]} files: prepare it as {' or '.join(FORMATS)}")
    return name


def _splits(info: dict, path: Path) -> dict[str, Split]:
    found = {}
    for split in info["splits"]:
        lengths = [int(length) for length in _either(split, "shardLengths", "shard_lengths", [])]
        if len(lengths) > MAX_SHARDS or min(lengths, default=0) < 0:
            raise ValueError("shards")
        names = {"DATASET": info["name"], "SPLIT": split["name"],
                 "FILEFORMAT": _either(info, "fileFormat", "file_format", "tfrecord")}
        template = _either(split, "filepathTemplate", "filepath_template", TEMPLATE) or TEMPLATE
        files = [_inside(path, _filled(template, names, row, len(lengths))) for row in range(len(lengths))]
        found[split["name"]] = Split(files, sum(lengths))
    return found


def _filled(template: str, names: dict[str, str], row: int, count: int) -> str:
    """A shard's name. Only whole words are put in: Python's own formatting would also follow attributes."""
    own = {"SHARD_INDEX": f"{row:05d}", "NUM_SHARDS": f"{count:05d}", "SHARD_X_OF_Y": f"{row:05d}-of-{count:05d}"}
    return re.sub(r"\{(\w+)\}", lambda match: (names | own)[match[1]], template)


def _inside(folder: Path, name: str) -> Path:
    parts = PurePosixPath(name)
    if parts.is_absolute() or ".." in parts.parts or "\\" in name or "\0" in name:
        raise UserError(f"{folder / INFO} names the file {_printable(name)[:80]!r} outside of its folder: prepare it "
                        "again")
    return folder / name


def _either(node: dict, camel: str, snake: str, default):
    return node.get(camel, node.get(snake, default))


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)
