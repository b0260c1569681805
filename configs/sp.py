"""Similarity-preserving distillation (Tung and Mori, ICCV 2019).

    python -m kdjax.main --config configs/sp.py:teacher=resnet32x4,student=resnet8x4
    python -m kdjax.main --config configs/sp.py:demo

Published top-1 on CIFAR-100, last epoch (RepDistiller README, means of 5 runs, across architectures of 3):

    teacher    student             SP
    wrn_40_2   wrn_16_2         73.83
    wrn_40_2   wrn_40_1         72.43
    resnet56   resnet20         69.67
    resnet110  resnet20         70.04
    resnet110  resnet32         72.69
    resnet32x4 resnet8x4        72.94
    vgg13      vgg8             72.68
    vgg13      MobileNetV2      66.30
    ResNet50   MobileNetV2      68.08
    ResNet50   vgg8             73.34
    resnet32x4 ShuffleV1        73.48
    resnet32x4 ShuffleV2        74.56
    wrn_40_2   ShuffleV1        74.52
"""
from configs import common


def get_config(arg=None):
    args = common.pair(arg)
    config = common.distil(args, "sp")
    config.loss.beta = 3000.0  # RepDistiller, scripts/run_cifar_distill.sh
    return config
