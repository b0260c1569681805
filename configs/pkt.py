"""Probabilistic knowledge transfer (Passalis and Tefas, ECCV 2018).

    python -m kdjax.main --config configs/pkt.py:teacher=resnet32x4,student=resnet8x4
    python -m kdjax.main --config configs/pkt.py:demo

Published top-1 on CIFAR-100, last epoch (RepDistiller README, means of 5 runs, across architectures of 3):

    teacher    student            PKT
    wrn_40_2   wrn_16_2         74.54
    wrn_40_2   wrn_40_1         73.45
    resnet56   resnet20         70.34
    resnet110  resnet20         70.25
    resnet110  resnet32         72.61
    resnet32x4 resnet8x4        73.64
    vgg13      vgg8             72.88
    vgg13      MobileNetV2      67.13
    ResNet50   MobileNetV2      66.52
    ResNet50   vgg8             73.01
    resnet32x4 ShuffleV1        74.10
    resnet32x4 ShuffleV2        74.69
    wrn_40_2   ShuffleV1        73.89
"""
from configs import common


def get_config(arg=None):
    args = common.pair(arg)
    config = common.distil(args, "pkt")
    config.loss.beta = 30000.0  # RepDistiller's script; large, for the loss is a mean over B x B
    return config
