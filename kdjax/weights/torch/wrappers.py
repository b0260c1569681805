"""What others put around a network's keys: prefixes of wrappers, counters, parts, a body with a head, other names.

`unwrapped` lists the state dicts that a file's keys can stand for, the outermost first; which of them is a network of
kdjax, exactly, is for the caller to say. Nothing is guessed: a candidate that leaves out what no known project writes
is marked `unsure`.
"""

import itertools
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from kdjax.errors import UserError
from kdjax.weights.torch.values import Tensor

DISTILLERS = ("student", "teacher")  # mdistiller
ENCODERS = ("encoder_distill_q", "encoder_q", "encoder_k", "base_encoder")  # i-Mix and DS-SRD; the first that is there
EXTRAS = ("auxiliary_classifier", "auxiliary", "proj_head")  # HSAKD, SSKD
WRAPPERS = ("module", "_orig_mod")  # DataParallel, torch.compile
INSIDE = ("_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")  # around layers too, so anywhere in a key
COUNTERS = ("n_averaged", "num_updates", "decay", "initted", "step")  # averaged models
SYNONYMS = (("downsample", "shortcut", "convShortcut", "conv_shortcut"),
            ("fc", "linear", "classifier", "head", "last_linear", "output", "logits"))
MOST_HEADS = 4


class Candidate(NamedTuple):
    """tensors: by their torch keys. prefix: what was taken away in front of them; part: which network of several;
    left_out: first words of keys, or counters; unsure: those that no known project writes beside a network; renamed:
    "shortcut -> downsample"."""

    tensors: dict[str, Tensor]
    prefix: str = ""
    part: str = ""
    left_out: tuple[str, ...] = ()
    unsure: tuple[str, ...] = ()
    renamed: tuple[str, ...] = ()


def unwrapped(tensors: dict[str, Tensor], part: str | None = None) -> list[Candidate]:
    """The candidates. part: which of several networks in one file; UserError where there is none of that name, and for
    wrappers around some of the keys only."""
    found = [Candidate(tensors)]
    while inner := (_without_counters(found[-1]) or _part(found[-1], part) or _without_prefix(found[-1])
                    or _without_inside(found[-1])):
        found.append(inner)
    if part and not any(candidate.part for candidate in found):
        raise UserError(f"holds one network, so there is no part {part!r}; leave --part out.")
    return found + ([] if part else list(_merged(found[-1])))


def renamings(candidate: Candidate) -> Iterator[Candidate]:
    """The candidate under other names of the same layers: shortcut for downsample, linear for fc, and back."""
    words = {word for key in candidate.tensors for word in key.split(".")}
    choices = [[{}, *({have: other} for have in group if have in words for other in group if other not in words)]
               for group in SYNONYMS]
    for picked in itertools.product(*choices):
        names = {old: new for choice in picked for old, new in choice.items()}
        if names:
            tensors = {".".join(names.get(word, word) for word in key.split(".")): tensor
                       for key, tensor in candidate.tensors.items()}
            yield candidate._replace(tensors=tensors, renamed=tuple(f"{old} -> {new}" for old, new in names.items()))


def _heads(tensors: dict) -> Counter:
    return Counter(key.split(".", 1)[0] for key in tensors)


def _without_counters(candidate: Candidate) -> Candidate | None:
    tensors = candidate.tensors
    counters = [key for key in COUNTERS if key in tensors and all(n == 1 for n in tensors[key].shape)]
    kept = {key: tensor for key, tensor in tensors.items() if key not in counters}
    return candidate._replace(tensors=kept, left_out=(*candidate.left_out, *counters)) if counters and kept else None


def _without_prefix(candidate: Candidate) -> Candidate | None:
    """One word that stands before all keys, taken away."""
    heads = _heads(candidate.tensors)
    for word in WRAPPERS:
        if word in heads and len(heads) > 1:
            raise UserError(f"has {heads[word]} of {heads.total()} keys with the prefix `{word}.`; "
                            "rename them all the same way and save again.")
    head = next(iter(heads))
    if len(heads) > 1 or not all("." in key for key in candidate.tensors):
        return None
    return candidate._replace(tensors=_under(candidate.tensors, head), prefix=f"{candidate.prefix}{head}.")


def _without_inside(candidate: Candidate) -> Candidate | None:
    """Wrappers around single layers, taken out of the middle of the keys; None without any, or where keys collide."""
    words = [word for word in INSIDE if any(word in key.split(".") for key in candidate.tensors)]
    plain = {".".join(word for word in key.split(".") if word not in words): tensor
             for key, tensor in candidate.tensors.items()}
    if not words or len(plain) != len(candidate.tensors):
        return None
    return candidate._replace(tensors=plain, left_out=(*candidate.left_out, *words))


def _part(candidate: Candidate, part: str | None) -> Candidate | None:
    """One network of a distiller or a pretext task: the student or the encoder used later, unless `part` says."""
    if candidate.part:
        return None
    heads = _heads(candidate.tensors)
    default = next((name for name in ENCODERS if name in heads), "")
    for family, usual in ((DISTILLERS, "student"), (ENCODERS, default)):
        there = [name for name in family if name in heads and _under(candidate.tensors, name)]
        if there and (part or usual) not in there and part not in heads:
            raise UserError(f"has no part {part or usual!r}; choose --part {' or --part '.join(there)}.")
        if there:
            return _only(candidate, part or usual)
    return _only(candidate, part) if part in heads and _under(candidate.tensors, part) else None


def _only(candidate: Candidate, part: str) -> Candidate:
    others = sorted(set(_heads(candidate.tensors)) - {part})
    return candidate._replace(tensors=_under(candidate.tensors, part), part=part,
                              left_out=(*candidate.left_out, *others))


def _merged(candidate: Candidate) -> Iterator[Candidate]:
    """A body and what stands beside it: extras of known projects left out, a head in its own subtree or beside it."""
    heads = _heads(candidate.tensors)
    if not 1 < len(heads) <= MOST_HEADS:
        return
    extras = tuple(sorted(name for name in heads if name in EXTRAS))
    body = next((name for name, _ in heads.most_common() if name not in extras), "")
    others = [name for name in heads if name not in (body, *extras)]
    inner = _under(candidate.tensors, body)
    for stripped in itertools.product((False, True), repeat=len(others)):
        beside = [_under(candidate.tensors, name) if strip else _at(candidate.tensors, name)
                  for name, strip in zip(others, stripped, strict=True)]
        joined = {key: tensor for keys in (inner, *beside) for key, tensor in keys.items()}
        if inner and len(joined) == len(inner) + sum(map(len, beside)):
            taken = [body, *(name for name, strip in zip(others, stripped, strict=True) if strip)]
            yield candidate._replace(tensors=joined, left_out=(*candidate.left_out, *extras),
                                     prefix=candidate.prefix + " and ".join(f"{name}." for name in taken))
    if others:
        yield candidate._replace(tensors=inner, prefix=f"{candidate.prefix}{body}.", unsure=tuple(others),
                                 left_out=(*candidate.left_out, *extras))


def _at(tensors: dict, head: str) -> dict:
    return {key: tensor for key, tensor in tensors.items() if key.split(".", 1)[0] == head}


def _under(tensors: dict, head: str) -> dict:
    return {key.removeprefix(f"{head}."): tensor for key, tensor in tensors.items() if key.startswith(f"{head}.")}
