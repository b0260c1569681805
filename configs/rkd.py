"""Relational knowledge distillation (Park et al., CVPR 2019).

    python -m kdjax.main --config configs/rkd.py:teacher=resnet32x4,student=resnet8x4
    python -m kdjax.main --config configs/rkd.py:demo

Published top-1 on CIFAR-100, last epoch (RepDistiller README, means of 5 runs, across architectures of 3):

    teacher    student            RKD
    wrn_40_2   wrn_16_2         73.35
    wrn_40_2   wrn_40_1         72.22
    resnet56   resnet20         69.61
    resnet110  resnet20         69.25
    resnet110  resnet32         71.82
    resnet32x4 resnet8x4        71.90
    vgg13      vgg8             71.48
    vgg13      MobileNetV2      64.52
    ResNet50   MobileNetV2      64.43
    ResNet50   vgg8             71.50
    resnet32x4 ShuffleV1        72.28
    resnet32x4 ShuffleV2        73.21
    wrn_40_2   ShuffleV1        72.21
"""
from configs import common


def get_config(arg=None):
    args = common.pair(arg)
    config = common.distil(args, "rkd")
    config.loss.beta = 1.0  # RepDistiller, scripts/run_cifar_distill.sh
    config.method.rkd.update({"distance_weight": 25.0, "angle_weight": 50.0})  # inside the loss
    return config
