"""Find one network's weights in the object of a checkpoint: spec/models.md, sections 9.1 and 9.3, steps 1 to 6."""

from typing import Any, NamedTuple

from kdjax.errors import UserError
from kdjax.weights.torch.unpickler import Tensor

CONTAINERS = ("model", "state_dict", "net")
DISTILLERS = ("student", "teacher")  # mdistiller
ENCODERS = ("encoder_distill_q", "encoder_q", "encoder_k", "base_encoder")  # i-Mix and DS-SRD; the first that is there
EXTRAS = ("auxiliary_classifier", "auxiliary", "proj_head")  # HSAKD, SSKD


class Weights(NamedTuple):
    """tensors: plain torch keys of one network. found: how they were reached, for the metadata. notes: for the user."""

    tensors: dict[str, Tensor]
    found: dict[str, Any]
    notes: list[str]


def find(obj: Any, key: str | None = None, part: str | None = None) -> Weights:
    """The weights in `obj`, without prefixes. key: the container; part: which network of several, such as "teacher".

    Raises UserError (a predicate for the file's name) when there are none, when several would do, or when prefixes
    are mixed.
    """
    tensors, container = _container(obj, key)
    notes = []
    if isinstance(obj, dict) and _weights_in(obj.get("proj")):
        notes.append("the file also has `proj`, as SimKD students do: its own classifier is normally untrained")
    stripped = [name for name in tensors if name.startswith("module.")]
    if stripped and len(stripped) != len(tensors):
        raise UserError(
            f"has {len(stripped)} of {len(tensors)} keys with the prefix `module.`; "
            "rename them all the same way and save again."
        )
    tensors = {name.removeprefix("module."): tensor for name, tensor in tensors.items()}
    tensors, chosen, dropped = _part(tensors, part)
    if any(name.startswith("backbone.") for name in tensors):
        tensors, more = _backbone(tensors)
        dropped += more
    if dropped:
        notes.append(("took " + chosen + " and " if chosen else "") + "left out " + ", ".join(dropped))
    found = {"container": container, "prefix": "module." if stripped else "", "part": chosen, "left_out": dropped}
    return Weights(tensors, found, notes)


def _container(obj: Any, key: str | None) -> tuple[dict, str]:
    if not isinstance(obj, dict):
        raise UserError(
            f"holds a {type(obj).__name__}, not a dictionary with weights; save model.state_dict() with torch.save."
        )
    names = ", ".join(sorted(str(name)[:40] for name in obj)[:12]) or "nothing"
    if key is not None:
        if not _weights_in(obj.get(key)):
            raise UserError(f"has no weights under {key!r}; its entries are: {names}.")
        return obj[key], key
    if _weights_in(obj):
        return obj, ""
    found = [name for name in CONTAINERS if _weights_in(obj.get(name))]
    if not found:
        raise UserError(
            f"holds no weights under {', '.join(CONTAINERS)}; its entries are: {names}. "
            "Give the checkpoint of a network, or name the entry with --key."
        )
    if len(found) > 1:
        raise UserError(f"holds weights under {' and '.join(found)}; choose one with --key.")
    return obj[found[0]], found[0]


def _weights_in(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and bool(value)
        and all(isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in value.items())
    )


def _part(tensors: dict, part: str | None) -> tuple[dict, str, list[str]]:
    """One network of a distiller or a pretext task; the student or the encoder used later, unless `part` says."""
    heads = {name.split(".", 1)[0] for name in tensors if "." in name}
    for family, default in (
        (DISTILLERS, "student"),
        (ENCODERS, next((name for name in ENCODERS if name in heads), "")),
    ):
        there = [name for name in family if name in heads]
        if not there:
            continue
        chosen = part or default
        if chosen not in there:
            raise UserError(f"has no part {chosen!r}; choose --part {' or --part '.join(there)}.")
        others = sorted({name.split(".", 1)[0] for name in tensors} - {chosen})
        return _strip(tensors, chosen + "."), chosen, others
    if part:
        raise UserError(f"holds one network, so there is no part {part!r}; leave --part out.")
    return tensors, "", []


def _backbone(tensors: dict) -> tuple[dict, list[str]]:
    others = sorted({name.split(".", 1)[0] for name in tensors} - {"backbone"})
    if unknown := [name for name in others if name not in EXTRAS]:
        raise UserError(
            f"has {unknown[0]!r} beside `backbone`, which no known project writes; save the network's own state_dict()."
        )
    return _strip(tensors, "backbone."), others


def _strip(tensors: dict, prefix: str) -> dict:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
