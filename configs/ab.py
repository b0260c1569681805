"""Activation boundaries (Heo et al., AAAI 2019): a pre-stage, then plain training.

    python -m kdjax.main --config configs/ab.py:teacher=resnet32x4,student=resnet8x4
    python -m kdjax.main --config configs/ab.py:demo

Published top-1 on CIFAR-100, last epoch (RepDistiller README, means of 5 runs, across architectures of 3):

    teacher    student             AB
    wrn_40_2   wrn_16_2         72.50
    wrn_40_2   wrn_40_1         72.38
    resnet56   resnet20         69.47
    resnet110  resnet20         69.53
    resnet110  resnet32         70.98
    resnet32x4 resnet8x4        73.17
    vgg13      vgg8             70.94
    vgg13      MobileNetV2      66.06
    ResNet50   MobileNetV2      67.20
    ResNet50   vgg8             70.65
    resnet32x4 ShuffleV1        73.55
    resnet32x4 ShuffleV2        74.31
    wrn_40_2   ShuffleV1        73.34
"""
from configs import common


def get_config(arg=None):
    args = common.pair(arg)
    config = common.distil(args, "ab")
    config.loss.beta = 1.0  # the script's; without effect, the main stage has no term
    config.method.ab.margin = 1.0
    config.train.init_epochs = 30 if not args.demo else 2  # --init_epochs' default
    return config
