"""Correlation congruence (Peng et al., ICCV 2019).

    python -m kdjax.main --config configs/cc.py:teacher=resnet32x4,student=resnet8x4
    python -m kdjax.main --config configs/cc.py:demo

Published top-1 on CIFAR-100, last epoch (RepDistiller README, means of 5 runs, across architectures of 3):

    teacher    student             CC
    wrn_40_2   wrn_16_2         73.56
    wrn_40_2   wrn_40_1         72.21
    resnet56   resnet20         69.63
    resnet110  resnet20         69.48
    resnet110  resnet32         71.48
    resnet32x4 resnet8x4        72.97
    vgg13      vgg8             70.71
    vgg13      MobileNetV2      64.86
    ResNet50   MobileNetV2      65.43
    ResNet50   vgg8             70.25
    resnet32x4 ShuffleV1        71.14
    resnet32x4 ShuffleV2        71.29
    wrn_40_2   ShuffleV1        71.38
"""
from configs import common


def get_config(arg=None):
    args = common.pair(arg)
    config = common.distil(args, "cc")
    config.loss.beta = 0.02  # RepDistiller, scripts/run_cifar_distill.sh
    config.method.feat_dim = 128  # --feat_dim's default
    return config
