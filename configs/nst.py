"""Neuron selectivity transfer (Huang and Wang, 2017).

    python -m kdjax.main --config configs/nst.py:teacher=resnet32x4,student=resnet8x4
    python -m kdjax.main --config configs/nst.py:demo

Published top-1 on CIFAR-100, last epoch (RepDistiller README, means of 5 runs, across architectures of 3):

    teacher    student            NST
    wrn_40_2   wrn_16_2         73.68
    wrn_40_2   wrn_40_1         72.24
    resnet56   resnet20         69.60
    resnet110  resnet20         69.53
    resnet110  resnet32         71.96
    resnet32x4 resnet8x4        73.30
    vgg13      vgg8             71.53
    vgg13      MobileNetV2      58.16
    ResNet50   MobileNetV2      64.96
    ResNet50   vgg8             71.28
    resnet32x4 ShuffleV1        74.12
    resnet32x4 ShuffleV2        74.68
    wrn_40_2   ShuffleV1        74.89
"""
from configs import common


def get_config(arg=None):
    args = common.pair(arg)
    config = common.distil(args, "nst")
    config.loss.beta = 50.0  # RepDistiller, scripts/run_cifar_distill.sh
    return config
