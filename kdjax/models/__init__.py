"""The networks: `build` one by its name, `load` a converted or a trained one. Names are those of the originals."""
import difflib
import os
from collections.abc import Callable

from flax import nnx

from kdjax.errors import UserError
from kdjax.models import custom, resnet, wide_resnet
from kdjax.models.network import Features, Functional, Network, Output, Variables

__all__ = ["MODELS", "Features", "Functional", "Network", "Output", "Variables", "build", "load"]

# name -> constructor(num_classes, rngs=...) of a module. resnetD, resnetDx2, resnetDx4, resnetDa and wrn_D_W work for any depth.
MODELS: dict[str, Callable[..., nnx.Module]] = {
    **{name: resnet.constructor(name) for name in (
        "resnet8", "resnet14", "resnet20", "resnet32", "resnet38", "resnet44", "resnet56", "resnet110", "resnet116",
        "resnet14x2", "resnet38x2", "resnet110x2", "resnet8x4", "resnet14x4", "resnet32x4", "resnet38x4",
        "resnet20a", "resnet32a", "resnet44a", "resnet56a", "resnet110a")},
    **{name: wide_resnet.constructor(name) for name in (
        "wrn_16_1", "wrn_16_2", "wrn_28_10", "wrn_40_1", "wrn_40_2")},
}


def build(name: str, *, num_classes: int, image_size: int = 32) -> Network:
    """The network called `name` (docs/models.md lists them), or the user's own given as "package.module:Class".

    num_classes >= 1; image_size in pixels, at least 8 (square images). Pooling is global, so that sizes other than 32 work;
    VGG pools once more at exactly 64, as the originals do. Raises UserError for an unknown name or an impossible size.
    """
    if num_classes < 1 or image_size < 8:
        raise UserError(f"{name}: num_classes must be at least 1 and image_size at least 8, not {num_classes} and {image_size}")
    if ":" in name:
        return custom.build(name, num_classes, image_size)
    constructor = MODELS.get(name) or resnet.constructor(name) or wide_resnet.constructor(name)
    if constructor is None:
        near = difflib.get_close_matches(name, MODELS, n=5, cutoff=0.5)
        raise UserError(f"unknown network {name!r}: " + (f"did you mean {', '.join(near)}?" if near
                        else f"take one of {', '.join(MODELS)}, wrn_D_W, or package.module:Class"))
    return Network(name, lambda rngs: constructor(num_classes=num_classes, rngs=rngs), num_classes, image_size)


def load(path: str | os.PathLike) -> tuple[Network, Variables]:
    """A network and its variables: from a folder (converted, exported, or a run's) or directly from a torch file.

    Raises UserError if the path does not exist or cannot be read as a network.
    """
    path = os.fspath(path)
    if os.path.isdir(path):
        from kdjax.io import export
        return export.load_network(path)[:2]
    if not os.path.isfile(path):
        raise UserError(f"there is no network at {path}: give a converted folder or a torch checkpoint")
    from kdjax.io import torch_checkpoint
    checkpoint = torch_checkpoint.read(path)
    if checkpoint.name is None:
        raise UserError(f"{path} does not tell its network: convert it with convert_torch_ckpt.py --model NAME")
    net = build(checkpoint.name, num_classes=checkpoint.num_classes, image_size=checkpoint.metadata.get("image_size", 32))
    return net, torch_checkpoint.from_state_dict(net, checkpoint.state_dict)
