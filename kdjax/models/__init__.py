"""The networks, by the names of the originals: `build` one. (`load` is `kdjax.weights.load`.)

Knows no file, no data, no method.
"""
import difflib
import importlib
from collections.abc import Callable
from functools import partial

from flax import nnx

from kdjax.errors import UserError
from kdjax.models import custom, mobilenet, resnet, resnet_v2, shufflenet, shufflenet_v2, vgg, wide_resnet
from kdjax.models.network import Features, Functional, Network, Output, Variables

__all__ = ["MODELS", "Features", "Functional", "Network", "Output", "Variables", "build"]

# name -> constructor(num_classes, rngs=...) of a module. Besides these: resnetD, x2, x4, a and wrn_D_W of any depth.
MODELS: dict[str, Callable[..., nnx.Module]] = {
    **{name: resnet.constructor(name) for name in (
        "resnet8", "resnet14", "resnet20", "resnet32", "resnet38", "resnet44", "resnet56", "resnet110", "resnet116",
        "resnet14x2", "resnet38x2", "resnet110x2", "resnet8x4", "resnet14x4", "resnet32x4", "resnet38x4",
        "resnet20a", "resnet32a", "resnet44a", "resnet56a", "resnet110a")},
    **{name: wide_resnet.constructor(name) for name in (
        "wrn_16_1", "wrn_16_2", "wrn_28_10", "wrn_40_1", "wrn_40_2")},
    "ResNet18": partial(resnet_v2.ResNetV2, 18),
    "ResNet50": partial(resnet_v2.ResNetV2, 50),
    **{f"vgg{depth}": partial(vgg.VGG, depth) for depth in vgg.CONVS},
    **{f"vgg{depth}_3neurons": partial(vgg.VGG, depth, embed_width=3) for depth in (8, 13)},
    "MobileNetV2": partial(mobilenet.MobileNetV2, 0.5),
    "MobileNetV2_0_25": partial(mobilenet.MobileNetV2, 0.25),
    "MobileNetV2_1_0": partial(mobilenet.MobileNetV2, 1.0),
    "ShuffleV1": shufflenet.ShuffleNetV1,
    "ShuffleV2": partial(shufflenet_v2.ShuffleNetV2, 1),
    "ShuffleV2_0_2": partial(shufflenet_v2.ShuffleNetV2, 0.2),
    "ShuffleV2_0_3": partial(shufflenet_v2.ShuffleNetV2, 0.3),
    "ShuffleV2_0_5": partial(shufflenet_v2.ShuffleNetV2, 0.5),
    "ShuffleV2_1_5": partial(shufflenet_v2.ShuffleNetV2, 1.5),
    "ShuffleV2_2_0": partial(shufflenet_v2.ShuffleNetV2, 2),
}


def build(name: str, *, num_classes: int, image_size: int = 32) -> Network:
    """The network called `name` (docs/models.md lists them), or the user's own given as "package.module:Class".

    num_classes >= 1; image_size in pixels, at least 8 (square images). Pooling is global, so that sizes other than 32
    work; VGG pools once more at exactly 64, as the originals do. Raises UserError for an unknown name or an impossible
    size.
    """
    if num_classes < 1 or image_size < 8:
        raise UserError(f"{name}: num_classes must be at least 1 and image_size at least 8, "
                        f"not {num_classes} and {image_size}")
    if ":" in name:
        return custom.build(name, num_classes, image_size)
    constructor = MODELS.get(name) or resnet.constructor(name) or wide_resnet.constructor(name)
    if constructor is None:
        near = difflib.get_close_matches(name, MODELS, n=5, cutoff=0.5)
        raise UserError(f"unknown network {name!r}: " + (f"did you mean {', '.join(near)}?" if near
                        else f"take one of {', '.join(MODELS)}, wrn_D_W, or package.module:Class"))
    return Network(name, lambda rngs: constructor(num_classes=num_classes, rngs=rngs), num_classes, image_size)


def __getattr__(name: str):
    """`models.load` is `kdjax.weights.load`, looked up when it is first asked for: networks know no file."""
    if name == "load":
        return importlib.import_module("kdjax.weights").load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
