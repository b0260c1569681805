"""Knowledge distillation from a stronger teacher (DIST, Huang et al., NeurIPS 2022).

    python -m kdjax.main --config configs/dist.py:teacher=resnet32x4,student=resnet8x4
    python -m kdjax.main --config configs/dist.py:demo

Published top-1 on CIFAR-100 (the authors' README; where it has no row, TTM's):

    teacher    student           DIST
    wrn_40_2   wrn_16_2         75.51
    wrn_40_2   wrn_40_1         74.43
    resnet56   resnet20         71.75
    resnet110  resnet20         71.65
    resnet110  resnet32         73.69
    resnet32x4 resnet8x4        76.31
    vgg13      vgg8             73.89
    vgg13      MobileNetV2      68.50
    ResNet50   MobileNetV2      68.66
    ResNet50   vgg8             74.11
    resnet32x4 ShuffleV1        76.34
    resnet32x4 ShuffleV2        77.35
    wrn_40_2   ShuffleV1        76.40
"""
from configs import common


def get_config(arg=None):
    args = common.pair(arg)
    config = common.distil(args, "dist")
    config.loss.beta = 2.0  # the authors' CIFAR script; cross-entropy 1
    config.method.dist.update({"beta": 1.0, "gamma": 1.0, "temperature": 4.0})  # T = 1 on ImageNet
    return config
