"""Which of the state dicts that a file can stand for is a network of kdjax, exactly: spec/models.md, 9.3 and 9.4."""

import functools
import re
from collections.abc import Callable

from kdjax import models
from kdjax.errors import UserError
from kdjax.weights.torch import encoders, recognition, wrappers
from kdjax.weights.torch.naming import check_keys
from kdjax.weights.torch.wrappers import Candidate

PARAMETER_FREE = r"ResNet\d+|resnet\d+a"  # shortcut or pooling without weights: other names may mean another network


def chosen(path: str, asked: str | None, told: dict[str, str], candidates: list[Candidate], image_size: int):
    """(candidate, name, Network) of the first candidate, outermost first, that is exactly a network.

    asked: the name that the user gave; told: what the file says of itself. (innermost candidate, None, None) where
    nobody says which network it should be and none is recognised. Raises UserError with the complaint about the
    candidate that comes nearest.
    """
    complaints: list[tuple[int, UserError]] = []
    build = functools.cache(lambda name, classes: models.build(name, num_classes=classes, image_size=image_size))
    for candidate in candidates:
        for variant in (candidate, *wrappers.renamings(candidate)):
            seen = recognition.from_shapes(shapes_of(variant)) if asked != recognition.SSKD_MOBILENET else None
            try:
                name, net, fitting = _network(path, asked, told, variant, seen, build)
            except UserError as error:
                complaints.append((2 * bool(seen) + (variant is candidate and not candidate.unsure), error))
                continue
            if net is not None and (doubt := _doubt(fitting, name, asked)):
                complaints.append((4, UserError(doubt)))
            elif net is not None:
                return fitting, name, net
    if complaints:
        raise max(reversed(complaints), key=lambda pair: pair[0])[1]
    return [candidate for candidate in candidates if not candidate.unsure][-1], None, None


def told_size(told: dict[str, str]) -> int:
    """The image size that kdjax wrote into a safetensors file; 32 for every other file."""
    size = told.get("image_size", "32")
    return int(size) if re.fullmatch(r"\d{1,4}", size) and 8 <= int(size) <= 4096 else 32


def is_name(name: str) -> bool:
    """Whether kdjax has a network of that name; never a name with a colon."""
    return name in models.MODELS or bool(re.fullmatch(r"wrn_\d+_\d+", name))


def shapes_of(candidate: Candidate) -> dict[str, tuple]:
    """{key: shape} of a candidate."""
    return {key: tensor.shape for key, tensor in candidate.tensors.items()}


def _doubt(candidate: Candidate, name: str, asked: str | None) -> str:
    """What speaks against a candidate that fits only after something was left out or renamed that may matter, or ""."""
    if candidate.unsure:
        part = candidate.prefix.rstrip(".").rpartition(".")[2]
        return (f"has {', '.join(candidate.unsure)[:80]!r} beside a {name} under {candidate.prefix!r}, which no known "
                f"project writes; take the {name} alone with --part {part}.")
    if candidate.renamed and not asked and re.fullmatch(PARAMETER_FREE, name):
        return (f"has the keys of a {name} under other names ({', '.join(candidate.renamed)}), and parts without "
                f"weights that no key tells; if it is one, say --model {name}.")
    return ""


def _network(path: str, asked: str | None, told: dict, candidate: Candidate, seen: str | None, build: Callable):
    """(name, Network, candidate) where it fits exactly, (None, None, candidate) when nobody says which it is."""
    if asked == recognition.SSKD_MOBILENET and recognition.is_ambiguous_mobilenet(shapes_of(candidate)):
        asked = seen = "MobileNetV2"
        candidate = candidate._replace(tensors=_sskd_keys(candidate.tensors))
    asked = encoders.meant(asked, seen)
    written = told.get("model", "") if is_name(told.get("model", "")) else ""
    folder = "" if candidate.part else recognition.from_folder(path, is_name)
    name = asked or written or folder or seen
    if not name:
        return None, None, candidate
    shapes = shapes_of(candidate)
    classes = recognition.num_classes(shapes) or (1 if name.endswith("_features") else None)  # that has its own width
    if classes is None:
        raise UserError(f"has no classifier, so it is not a whole {name}; use the checkpoint of the whole network.")
    try:
        net = build(name, classes)
    except UserError as error:
        raise UserError(f"cannot be read as asked: {error}") from None
    if seen and name != seen and ":" not in name:
        said = "the name given is" if asked else "its own description says" if written else "the folder's name says"
        raise UserError(f"holds a {seen}, but {said} {name}; if the file is right, give {seen} (--model, or "
                        "config.teacher.name).")
    check_keys(net, shapes)
    return name, net, candidate


def _sskd_keys(tensors: dict) -> dict:
    """SSKD's MobileNetV2 computes what RepDistiller's does; only its classifier is not in a container."""
    return {key.replace("classifier.", "classifier.0."): tensor for key, tensor in tensors.items()}
