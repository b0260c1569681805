"""Variational information distillation (Ahn et al., CVPR 2019), as in RepDistiller; vid_cifar10.py is the authors' own.

    python -m kdjax.main --config configs/vid.py:teacher=resnet32x4,student=resnet8x4
    python -m kdjax.main --config configs/vid.py:demo

Published top-1 on CIFAR-100, last epoch (RepDistiller README, means of 5 runs, across architectures of 3):

    teacher    student            VID
    wrn_40_2   wrn_16_2         74.11
    wrn_40_2   wrn_40_1         73.30
    resnet56   resnet20         70.38
    resnet110  resnet20         70.16
    resnet110  resnet32         72.61
    resnet32x4 resnet8x4        73.09
    vgg13      vgg8             71.23
    vgg13      MobileNetV2      65.56
    ResNet50   MobileNetV2      67.57
    ResNet50   vgg8             70.30
    resnet32x4 ShuffleV1        73.38
    resnet32x4 ShuffleV2        73.40
    wrn_40_2   ShuffleV1        73.61
"""
from configs import common


def get_config(arg=None):
    args = common.pair(arg)
    config = common.distil(args, "vid")
    config.loss.beta = 1.0  # RepDistiller, scripts/run_cifar_distill.sh
    config.method.vid.update({"regressor": "relu", "init_variance": 5.0, "eps": 1e-5})
    return config
