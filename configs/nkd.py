"""Normalised knowledge distillation (NKD, Yang et al., ICCV 2023).

    python -m kdjax.main --config configs/nkd.py:teacher=resnet32x4,student=resnet8x4
    python -m kdjax.main --config configs/nkd.py:demo

On CIFAR-10 a tenth of this weight did better (docs/methods.md).

The authors ran other networks on CIFAR-100. Published top-1 for these pairs (third parties; the rows with ShuffleNets,
MobileNetV2 and ResNet50 are the SDD authors' runs, whose copy of the loss keeps the label among the other classes):

    teacher    student            NKD
    wrn_40_2   wrn_16_2         75.43
    resnet56   resnet20         71.18
    resnet110  resnet20         71.26
    resnet32x4 resnet8x4        76.35
    vgg13      vgg8             74.86
    vgg13      MobileNetV2      68.72
    ResNet50   MobileNetV2      69.39
    ResNet50   vgg8             74.01
    resnet32x4 ShuffleV1        75.31
    resnet32x4 ShuffleV2        76.26
    wrn_40_2   ShuffleV1        75.96
"""
from configs import common


def get_config(arg=None):
    args = common.pair(arg)
    config = common.distil(args, "nkd")
    config.loss.beta = 1.0  # beside a cross-entropy of 1
    config.method.nkd.update({"gamma": 3.5, "temperature": 3.0})  # the authors' CIFAR config; ImageNet 1.5 and 1
    return config
