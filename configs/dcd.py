"""Discriminative and consistent distillation (Giakoumoglou and Stathaki, 2024); `icd` in its README.

    python -m kdjax.main --config configs/dcd.py:teacher=resnet32x4,student=resnet8x4
    python -m kdjax.main --config configs/dcd.py:demo

`kd` adds the KL term (DCD+KD).

Published top-1 on CIFAR-100, last epoch (distillers README, earlier revision):

    teacher    student            DCD   DCD+KD
    wrn_40_2   wrn_16_2         74.99    76.06
    wrn_40_2   wrn_40_1         73.69    74.76
    resnet56   resnet20         71.18    71.81
    resnet110  resnet20         71.00    72.03
    resnet110  resnet32         73.12    73.62
    resnet32x4 resnet8x4        74.23    75.09
    vgg13      vgg8             73.22    73.95
    vgg13      MobileNetV2      68.35    69.77
    ResNet50   MobileNetV2      67.39    70.03
    ResNet50   vgg8             73.85    74.08
    resnet32x4 ShuffleV1        74.26    76.01
    resnet32x4 ShuffleV2        75.26    76.95
    wrn_40_2   ShuffleV1        74.98    76.51
"""
from configs import common


def get_config(arg=None):
    args = common.pair(arg, flags=("kd",))
    config = common.distil(args, "dcd")
    config.loss.beta = 1.0  # distillers' README
    config.method.feat_dim = 128
    config.method.dcd.update({"alpha": 0.5, "init_tau": 1.0, "max_tau": 10.0})  # the loss class's defaults
    if args.kd:
        config.loss.alpha = 1.0
    return config
