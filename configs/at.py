"""Attention transfer (Zagoruyko and Komodakis, ICLR 2017).

    python -m kdjax.main --config configs/at.py:teacher=resnet32x4,student=resnet8x4
    python -m kdjax.main --config configs/at.py:demo

Published top-1 on CIFAR-100, last epoch (RepDistiller README, means of 5 runs, across architectures of 3):

    teacher    student             AT
    wrn_40_2   wrn_16_2         74.08
    wrn_40_2   wrn_40_1         72.77
    resnet56   resnet20         70.55
    resnet110  resnet20         70.22
    resnet110  resnet32         72.31
    resnet32x4 resnet8x4        73.44
    vgg13      vgg8             71.43
    vgg13      MobileNetV2      59.40
    ResNet50   MobileNetV2      58.58
    ResNet50   vgg8             71.84
    resnet32x4 ShuffleV1        71.73
    resnet32x4 ShuffleV2        72.73
    wrn_40_2   ShuffleV1        73.32
"""
from configs import common


def get_config(arg=None):
    args = common.pair(arg)
    config = common.distil(args, "at")
    config.loss.beta = 1000.0  # RepDistiller, scripts/run_cifar_distill.sh
    config.method.at.p = 2
    return config
