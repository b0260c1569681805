"""Transformed teacher matching (TTM, Zheng & Yang, ICLR 2024).

    python -m kdjax.main --config configs/ttm.py:teacher=resnet32x4,student=resnet8x4
    python -m kdjax.main --config configs/ttm.py:demo

The weights of the other pairs are in the paper's appendix, not in its code: power and weight here are the README's for
vgg13 -> vgg8.

On CIFAR-10 a tenth of this weight did better (docs/methods.md).

Published top-1 on CIFAR-100, best epoch (the authors' README):

    teacher    student            TTM
    wrn_40_2   wrn_16_2         76.23
    wrn_40_2   wrn_40_1         74.32
    resnet56   resnet20         71.83
    resnet110  resnet20         71.46
    resnet110  resnet32         73.97
    resnet32x4 resnet8x4        76.17
    vgg13      vgg8             74.33
    vgg13      MobileNetV2      68.98
    ResNet50   MobileNetV2      69.24
    ResNet50   vgg8             74.87
    resnet32x4 ShuffleV1        74.18
    resnet32x4 ShuffleV2        76.57
    wrn_40_2   ShuffleV1        75.39
"""
from configs import common


def get_config(arg=None):
    args = common.pair(arg)
    config = common.distil(args, "ttm")
    config.loss.beta = 45.0  # the README's example
    config.method.ttm.power = 0.1  # --ttm_l: 1 / T
    return config
