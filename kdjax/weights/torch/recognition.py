"""Which network a state dict belongs to, from its folder's name and its shapes: spec/models.md, 9.1, 9.3 and 9.4."""

import pathlib
import re
from collections.abc import Callable, Mapping

from kdjax.errors import UserError
from kdjax.weights.torch import encoders

Shapes = Mapping[str, tuple[int, ...]]
CLASSIFIERS = ("classifier.0.weight", "classifier.weight", "linear.weight", "fc.weight")
SSKD_MOBILENET = "MobileNetV2_sskd"


def from_folder(path: str, known: Callable[[str], bool]) -> str | None:
    """The network that the folder is named after (`wrn_40_2_vanilla`, `S:resnet8x4_T:...`); the longest name wins."""
    folder = pathlib.Path(path).absolute().parent.name
    folder = re.sub(r"^S[:_]", "", folder)
    parts = folder.split("_")
    names = ("_".join(parts[:count]) for count in range(len(parts), 0, -1))
    return next((name for name in names if known(name)), None)


def from_shapes(shapes: Shapes) -> str | None:
    """The CIFAR network with these keys and shapes, None if there is none. A full comparison must follow.

    Raises UserError for SSKD's and HSAKD's MobileNetV2, which no shape tells apart.
    """
    for family in (_resnet, _wide_resnet, _resnet_v2, _vgg, _mobilenet, _shuffle_v1, _shuffle_v2, encoders.recognize):
        if name := family(shapes):
            return name
    return None


def num_classes(shapes: Shapes) -> int | None:
    """Rows of the classifier's weight, the last matrix where it has no known name; None for a network without one."""
    key = next((key for key in CLASSIFIERS if len(shapes.get(key, ())) == 2), None)
    key = key or next((key for key in reversed(shapes) if key.endswith("weight") and len(shapes[key]) == 2), None)
    return shapes[key][0] if key else None


def is_ambiguous_mobilenet(shapes: Shapes) -> bool:
    return "blocks.0.0.conv.0.weight" in shapes and "classifier.weight" in shapes


def _blocks(shapes: Shapes, prefix: str) -> int:
    return len({key[len(prefix) :].split(".")[0] for key in shapes if key.startswith(prefix)})


def _resnet(shapes: Shapes) -> str | None:
    stem, blocks = shapes.get("conv1.weight", ()), _blocks(shapes, "layer1.")
    if stem[1:] != (3, 3, 3) or "layer4.0.conv1.weight" in shapes or "layer1.0.conv3.weight" in shapes or not blocks:
        return None
    width = shapes.get("layer3.0.conv1.weight", (0,))[0]
    projects = any(".shortcut." in key or ".downsample." in key for key in shapes)
    if "linear.weight" in shapes and (stem[0], width) == (16, 64) and not projects:
        return f"resnet{6 * blocks + 2}a"
    suffix = {(16, 64): "", (16, 128): "x2", (32, 256): "x4"}.get((stem[0], width))
    return None if suffix is None or "fc.weight" not in shapes else f"resnet{6 * blocks + 2}{suffix}"


def _wide_resnet(shapes: Shapes) -> str | None:
    first = shapes.get("block1.layer.0.conv1.weight", ())
    if first[1:] != (16, 3, 3) or first[0] % 16:
        return None
    return f"wrn_{6 * _blocks(shapes, 'block1.layer.') + 4}_{first[0] // 16}"


def _resnet_v2(shapes: Shapes) -> str | None:
    if "linear.weight" not in shapes or "layer4.0.conv1.weight" not in shapes:
        return None
    if shapes.get("conv1.weight", ())[2:] != (3, 3):
        return None
    blocks = tuple(_blocks(shapes, f"layer{i}.") for i in (1, 2, 3, 4))
    bottleneck = "layer1.0.conv3.weight" in shapes
    return {((2, 2, 2, 2), False): "ResNet18", ((3, 4, 6, 3), True): "ResNet50"}.get((blocks, bottleneck))


def _vgg(shapes: Shapes) -> str | None:
    if "block0.0.weight" not in shapes:
        return None
    convs = sum(len(shape) == 4 for shape in shapes.values())
    return f"vgg{convs + 3}" + ("_3neurons" if "embed.weight" in shapes else "")


def _mobilenet(shapes: Shapes) -> str | None:
    if is_ambiguous_mobilenet(shapes):
        raise UserError(
            "holds a MobileNetV2 of SSKD or of HSAKD, whose shapes are the same but not their first stride; if it is "
            f"SSKD's, say --model {SSKD_MOBILENET} (HSAKD's is not among the networks of kdjax)."
        )
    width = shapes.get("conv1.0.weight", (0,))[0]
    if "blocks.0.0.conv.0.weight" not in shapes or "classifier.0.weight" not in shapes:
        return None
    return {16: "MobileNetV2", 8: "MobileNetV2_0_25", 32: "MobileNetV2_1_0"}.get(width)


def _shuffle_v1(shapes: Shapes) -> str | None:
    stem, deep = shapes.get("conv1.weight"), shapes.get("layer1.0.conv3.weight")
    return "ShuffleV1" if (stem, deep) == ((24, 3, 1, 1), (216, 18, 1, 1)) else None


def _shuffle_v2(shapes: Shapes) -> str | None:
    if "layer1.0.conv5.weight" not in shapes:
        return None
    half, blocks = shapes.get("layer1.0.conv2.weight", (0,))[0], _blocks(shapes, "layer2.")
    return {
        (20, 4): "ShuffleV2_0_2",
        (20, 8): "ShuffleV2_0_3",
        (24, 8): "ShuffleV2_0_5",
        (58, 8): "ShuffleV2",
        (88, 8): "ShuffleV2_1_5",
        (112, 8): "ShuffleV2_2_0",
    }.get((half, blocks))
