"""The encoders in the self-supervised releases' checkpoints (i-Mix, DS-SRD): which head is alive, which network it is.

Sources: spec/self_supervised.md 2.10 and 3.4, spec/models.md 3.12 and 9.1 (12 to 14).
"""
import re
from collections.abc import Mapping

from kdjax.models.encoder import ARCHS, Arch

Shapes = Mapping[str, tuple[int, ...]]
# What a user calls them, and what DS-SRD's files do; i-Mix's have no weak student.
ALIASES = {"weak": "encoder_distill_q", "student": "encoder_distill_q", "strong": "encoder_q", "online": "encoder_q",
           "target": "encoder_k", "teacher": "encoder_k"}
PRETEXT = ("encoder_distill_q", "encoder_q", "encoder_k")
HEADS = {(): "features", ("weight",): "", ("0", "1"): "_linbn", ("0", "2"): "_mlp", ("0", "1", "3"): "_mlpbn1",
         ("0", "1", "3", "4"): "_mlpbn"}


def is_encoder(shapes: Shapes) -> bool:
    """A ResNet of torchvision's names, with a stem of any size; nobody else's files call their networks so."""
    return "layer4.0.conv1.weight" in shapes and "conv1.weight" in shapes and "linear.weight" not in shapes


def meant_part(part: str | None, keys) -> str | None:
    """The encoder that a user's word means, in a file that has encoders."""
    return ALIASES.get(part, part) if any(f"{name}." in key for key in keys for name in PRETEXT) else part


def headed(candidate, keep_projection: bool):
    """A `wrappers.Candidate` that is an encoder of a pretext task, with the head that its training used, or with none.

    DS-SRD's encoders carry two: the weak student's is `fc2`, the strong's and the teacher's `fc`; the other was never
    trained. One linear layer that fits counts as a classifier and is kept. A projection of several layers is left out,
    as the originals' linear evaluation does, unless `keep_projection`.
    """
    tensors, part = candidate.tensors, candidate.part
    two = any(key.startswith("fc2.") for key in tensors)
    if not (two or part in PRETEXT) or not is_encoder(tensors):
        return candidate
    live, dead = ("fc2", "fc") if two and part not in ("encoder_q", "encoder_k") else ("fc", "fc2")
    kept = {key: tensor for key, tensor in tensors.items() if not key.startswith(f"{dead}.")}
    left_out = [dead] if two else []
    if any(key.startswith(f"{live}.") for key in kept) and not _takes(kept, live, keep_projection):
        kept = {key: tensor for key, tensor in kept.items() if not key.startswith(f"{live}.")}
        left_out.append(live)
    renamed = {key.replace("fc2.", "fc.", 1) if key.startswith("fc2.") else key: t for key, t in kept.items()}
    return candidate._replace(tensors=renamed, left_out=(*candidate.left_out, *left_out))


def _takes(tensors: dict, live: str, keep_projection: bool) -> bool:
    weight = tensors.get(f"{live}.weight")
    if weight is None:
        return keep_projection
    return len(weight.shape) == 2 and weight.shape[1] == _width({k: t.shape for k, t in tensors.items()})


def recognize(shapes: Shapes) -> str | None:
    """The name of the encoder with these shapes, its head's suffix included; None for another network."""
    stem = shapes.get("conv1.weight", ())
    if not is_encoder(shapes) or len(stem) != 4 or stem[1] not in (1, 3) or stem[2:] not in ((3, 3), (7, 7)):
        return None
    block = "bottleneck" if "layer1.0.conv3.weight" in shapes else "basic"
    counts = tuple(_count(shapes, f"layer{i}.") for i in (1, 2, 3, 4))
    name = _arch(shapes, Arch(block, counts, stem[0]))
    suffix = HEADS.get(_head_layers(shapes))
    if name is None or suffix is None:
        return None
    suffix = "_features" if suffix == "features" else suffix
    return f"imix_{name}{'_1ch' * (stem[1] == 1)}{'_largestem' * (stem[2] == 7)}{suffix}"


def meant(asked: str | None, seen: str | None) -> str | None:
    """`asked`, or the encoder `seen` where the user gave the originals' name (resnet18 for imix_resnet18_...)."""
    if not asked or not seen or ":" in asked:
        return asked
    head = r"(_features|_lin|_linbn|_mlp|_mlpbn1|_mlpbn)?"
    bare, short = asked.removeprefix("imix_"), r"(_1ch)?(_largestem)?"
    return seen if re.fullmatch(f"imix_{re.escape(bare)}{short}{head}", seen) else asked


def _arch(shapes: Shapes, arch: Arch) -> str | None:
    if arch.block == "basic":
        known = next((name for name, other in ARCHS.items() if other == arch), None)
        return known or f"basic_{'_'.join(map(str, arch.counts))}_w{arch.base}"
    outputs, inputs = shapes.get("layer1.0.conv2.weight", (0, 0))[:2]
    groups = outputs // inputs if inputs else 0
    if not groups or outputs % groups or outputs * 64 % (arch.base * groups):
        return None
    sized = arch._replace(groups=groups, group_width=outputs * 64 // (arch.base * groups))
    known = next((name for name, other in ARCHS.items() if other == sized), None)
    plain = sized == arch._replace(groups=1, group_width=64)
    return known or (f"bottleneck_{'_'.join(map(str, arch.counts))}_w{arch.base}" if plain else None)


def _head_layers(shapes: Shapes) -> tuple[str, ...]:
    layers = {key.split(".")[1] for key in shapes if key.startswith("fc.")} - {"bias"}
    return tuple(sorted(layers))


def _count(shapes: Shapes, prefix: str) -> int:
    return len({key[len(prefix):].split(".")[0] for key in shapes if key.startswith(prefix)})


def _width(shapes: Shapes) -> int:
    """Of the pooled features."""
    last = _count(shapes, "layer4.") - 1
    conv = "conv3" if f"layer4.{last}.conv3.weight" in shapes else "conv2"
    return shapes.get(f"layer4.{last}.{conv}.weight", (0,))[0]
