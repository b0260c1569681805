"""The networks of kdjax in PyTorch, `state_dict` names exactly the originals': `build("wrn_40_2", num_classes=100)`."""
import re

from parity_tests.reference.networks import mobilenet, resnet, resnetv2, shufflenetv1, shufflenetv2, vgg, wide_resnet
from parity_tests.reference.networks.base import Features, Network, Output

__all__ = ["Features", "NAMED", "Network", "Output", "build"]

NAMED = {**mobilenet.NAMED, **resnetv2.NAMED, **shufflenetv1.NAMED, **shufflenetv2.NAMED, **vgg.NAMED}


def build(name: str, *, num_classes: int) -> Network:
    """A float64 network by its name; resnetD[x2|x4|a] and wrn_D_W in any depth."""
    if match := re.fullmatch(r"resnet(\d+)(x2|x4|a|)", name):
        net = resnet.ResNet(int(match[1]), match[2], num_classes)
    elif match := re.fullmatch(r"wrn_(\d+)_(\d+)", name):
        net = wide_resnet.WideResNet(int(match[1]), int(match[2]), num_classes)
    else:
        net = NAMED[name](num_classes)
    return net.double()
