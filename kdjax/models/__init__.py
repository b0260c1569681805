"""The networks, by the names of the originals: `build` one. (`load` is `kdjax.weights.load`.)

Knows no file, no data, no method.
"""
import difflib
import importlib
from collections.abc import Callable
from functools import partial

from flax import nnx

from kdjax.errors import UserError
from kdjax.models import (
    attention_tail,
    custom,
    encoder,
    heads,
    mobilenet,
    resnet,
    resnet_v2,
    shufflenet,
    shufflenet_v2,
    table_mlp,
    vgg,
    wide_resnet,
)
from kdjax.models.network import Features, Functional, Network, Output, Variables

__all__ = ["MODELS", "Features", "Functional", "Network", "Output", "Variables", "build"]

# name -> constructor(num_classes, rngs=...) of a module. Besides these: resnetD, x2, x4, a and wrn_D_W of any depth;
# encoders and table networks of other stems, sizes and widths; any of them with a head: NAME_mlpbn1, NAME_features.
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
    **{f"imix_{arch}": encoder.constructor(f"imix_{arch}") for arch in encoder.ARCHS},
    "imix_resnet18_1ch": encoder.constructor("imix_resnet18_1ch"),
    "imix_resnet50_1ch": encoder.constructor("imix_resnet50_1ch"),
    "imix_resnet18_largestem": encoder.constructor("imix_resnet18_largestem"),
    "imix_resnet50_largestem": encoder.constructor("imix_resnet50_largestem"),
    "imix_resnet50_trans": attention_tail.TransformerEncoder,
    "ssl_resnet18": encoder.constructor("ssl_resnet18"),
    "ssl_resnet34": encoder.constructor("ssl_resnet34"),
    "imix_mlp5_w64_split": table_mlp.constructor("imix_mlp5_w64_split"),
    "imix_mlp5_w64_plain": table_mlp.constructor("imix_mlp5_w64_plain"),
    "ssl_mlp3_w64_plain": table_mlp.constructor("ssl_mlp3_w64_plain"),
}
FAMILIES = (resnet.constructor, wide_resnet.constructor, encoder.constructor, table_mlp.constructor)
SIZED = (attention_tail.TransformerEncoder, table_mlp.TableMLP)     # their makers also take image_size


def build(name: str, *, num_classes: int, image_size: int = 32) -> Network:
    """The network called `name` (docs/models.md lists them), or the user's own given as "package.module:Class".

    num_classes >= 1; image_size in pixels, at least 8 (square images). Pooling is global, so that sizes other than 32
    work; VGG pools once more at exactly 64, as the originals do. Raises UserError for an unknown name or an impossible
    size.
    """
    if num_classes < 1 or image_size < (1 if table_mlp.is_table(name) else 8):
        raise UserError(f"{name}: num_classes must be at least 1 and image_size at least 8, "
                        f"not {num_classes} and {image_size}")
    if ":" in name:
        return custom.build(name, num_classes, image_size)
    constructor = MODELS.get(name) or next(filter(None, (family(name) for family in FAMILIES)), None)
    if constructor is None and (found := heads.SUFFIX.fullmatch(name)):
        return _with_head(name, *found.groups(), num_classes, image_size)
    if constructor is None:
        near = difflib.get_close_matches(name, MODELS, n=5, cutoff=0.5)
        raise UserError(f"unknown network {name!r}: " + (f"did you mean {', '.join(near)}?" if near
                        else f"take one of {', '.join(MODELS)}, wrn_D_W, or package.module:Class"))
    sizes = {"image_size": image_size} if getattr(constructor, "func", constructor) in SIZED else {}
    return Network(name, lambda rngs: constructor(num_classes=num_classes, rngs=rngs, **sizes), num_classes, image_size)


def _with_head(name: str, base: str, kind: str, outputs: int, image_size: int) -> Network:
    """The network `base` with a head of `kind` (heads.py) in its classifier's place; `features` has its own width."""
    plain = build(base, num_classes=outputs, image_size=image_size)
    if kind == heads.FEATURES:
        outputs = plain.feature_shapes.embedding[0]
    make = lambda rngs: heads.put_on(plain.factory(rngs), kind, outputs, rngs, base)
    return type(plain)(name, make, outputs, image_size)


def __getattr__(name: str):
    """`models.load` is `kdjax.weights.load`, looked up when it is first asked for: networks know no file."""
    if name == "load":
        return importlib.import_module("kdjax.weights").load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
