"""Find one network's weights in the object of a checkpoint: spec/models.md, sections 9.1 and 9.3, steps 1 to 6."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from kdjax.errors import UserError
from kdjax.files.pickles import Global, Opaque, Refused, name_of
from kdjax.weights.torch.values import Tensor

CONTAINERS = ("model", "state_dict", "net")
PLAIN = str | bytes | int | float | None


class Found(NamedTuple):
    """tensors: under their keys in the file. container: the entry that holds them, "" for the file itself. left_out:
    what stands among them and is no tensor. notes: for the user."""

    tensors: dict[str, Tensor]
    container: str
    left_out: tuple[str, ...]
    notes: list[str]


def find(obj: Any, key: str | None = None) -> Found:
    """The weights in `obj`. key: the entry that holds them, "a.b" for one inside another.

    Raises UserError (a predicate for the file's name) when there are none, or when several would do, and Refused when
    the weights themselves are objects of a class.
    """
    if not isinstance(obj, dict):
        _refuse_class(obj)
        raise UserError(
            f"holds a {type(obj).__name__}, not a dictionary with weights; save model.state_dict() with torch.save."
        )
    container = _named(obj, key) if key is not None else _only(obj)
    weights = _at(obj, container)
    notes = []
    if _weights_in(obj.get("proj")):
        notes.append("the file also has `proj`, as SimKD students do: its own classifier is normally untrained")
    others = [path for path, entry in _entries(obj) if entry is not weights and len(entry) * 2 > len(weights)]
    if key is None and others and container:
        notes.append(f"took the weights under {container}; the file has others, for --key {' or --key '.join(others)}")
    elif key is None and container not in ("", *CONTAINERS):
        notes.append(f"took the weights under {container}")
    tensors = {name: value for name, value in weights.items() if isinstance(value, Tensor)}
    return Found(tensors, container, tuple(name for name in weights if name not in tensors), notes)


def _named(obj: dict, key: str) -> str:
    if not _tensors_in(_at(obj, key)):
        _refuse_class(_at(obj, key))
        raise UserError(f"has no weights under {key!r}; its entries are: {_names(obj)}.")
    return key


def _only(obj: dict) -> str:
    """The one entry that can hold the weights."""
    if _weights_in(obj):
        return ""
    found = [name for name in CONTAINERS if _weights_in(obj.get(name))]
    if not found:
        for value in (obj, *(obj.get(name) for name in CONTAINERS)):
            _refuse_class(value)
        found = [""] if _looks(obj) else [path for path, _ in _entries(obj)]
    if not found:
        raise UserError(
            f"holds no weights under {', '.join(CONTAINERS)}; its entries are: {_names(obj)}. "
            "Give the checkpoint of a network, or name the entry with --key."
        )
    if len(found) > 1:
        raise UserError(f"holds weights under {' and '.join(found[:9])}; choose one with --key.")
    return found[0]


def _at(obj: Any, path: str) -> Any:
    """The entry of that name, or inside of others: "state.model"."""
    if not path or not isinstance(obj, dict):
        return None if path else obj
    if path in obj:
        return obj[path]
    first, _, rest = path.partition(".")
    return _at(obj.get(first), rest) if rest else None


def _entries(obj: dict, before: str = "", depth: int = 2) -> Iterator[tuple[str, dict]]:
    """(path, entry) of everything inside that looks like a network's weights."""
    for name, value in obj.items():
        if isinstance(name, str) and isinstance(value, dict):
            if _looks(value):
                yield before + name, value
            elif depth:
                yield from _entries(value, f"{before}{name}.", depth - 1)


def _weights_in(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and bool(value)
        and all(isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in value.items())
    )


def _tensors_in(value: Any) -> bool:
    """Weights, among which numbers and texts may stand."""
    usable = isinstance(value, dict) and all(isinstance(name, str) for name in value)
    return (usable and any(isinstance(entry, Tensor) for entry in value.values())
            and all(isinstance(entry, Tensor | PLAIN) for entry in value.values()))


def _looks(value: dict) -> bool:
    """Whether these are a network's: there is a weight with two axes or more."""
    shapes = {name: entry.shape for name, entry in value.items() if isinstance(entry, Tensor)}
    return _tensors_in(value) and any(name.endswith("weight") and len(shape) > 1 for name, shape in shapes.items())


def _refuse_class(value: Any) -> None:
    """Refused for an object of a class, and for tensors among which such an object stands."""
    entries = list(value.values()) if isinstance(value, dict) else [value]
    guilty = next((entry for entry in entries if isinstance(entry, Opaque | Global)), None)
    if guilty is not None and (value is guilty or any(isinstance(entry, Tensor) for entry in entries)):
        raise Refused(f"its weights need {name_of(guilty)}, which is not plain data", name_of(guilty))


def _names(obj: dict) -> str:
    return ", ".join(sorted(str(name)[:40] for name in obj)[:12]) or "nothing"
