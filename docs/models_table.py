"""Prints the tables of docs/models.md: `PYTHONPATH=. python docs/models_table.py`."""
import re

import jax

from kdjax import models
from kdjax.models.macs import network_macs

FAMILIES = {    # title: the names it covers
    "CIFAR ResNet (He et al., CVPR 2016)": r"resnet\d+(x\d)?",
    "The same with parameter-free shortcuts (\"option A\")": r"resnet\d+a",
    "Wide ResNet (Zagoruyko & Komodakis, BMVC 2016)": r"wrn_.*",
    "ResNet with a 3x3 stem (He et al., CVPR 2016)": r"ResNet\d+",
    "VGG with batch norm (Simonyan & Zisserman, ICLR 2015)": r"vgg.*",
    "MobileNetV2 (Sandler et al., CVPR 2018)": r"MobileNetV2.*",
    "ShuffleNet V1 (Zhang et al., CVPR 2018) and V2 (Ma et al., ECCV 2018)": r"ShuffleV.*",
}


def row(name: str) -> str:
    net = models.build(name, num_classes=100)
    shapes = net.feature_shapes
    written = [f"{channels}x{height}" for height, _, channels in (*shapes.maps, shapes.pre_pool)]
    cells = f"`{name}`", f"{net.num_params:,}", f"{network_macs(net):,}", ", ".join(written[:-1]), written[-1]
    return f"| {' | '.join(cells)} | {shapes.embedding[0]} |"


def main() -> None:
    jax.config.update("jax_platforms", "cpu")
    for title, pattern in FAMILIES.items():
        print(f"### {title}\n\n| name | parameters | MACs | `maps` | `pre_pool` | `embedding` |")
        print("|---|---:|---:|---|---|---:|")
        print("\n".join(row(name) for name in models.MODELS if re.fullmatch(pattern, name)), end="\n\n")


if __name__ == "__main__":
    main()
