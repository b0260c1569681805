"""Knowledge distillation (Hinton, Vinyals, Dean 2015): softened logits.

    python -m kdjax.main --config configs/kd.py:teacher=resnet32x4,student=resnet8x4
    python -m kdjax.main --config configs/kd.py:demo

Published top-1 on CIFAR-100, last epoch (RepDistiller README, means of 5 runs, across architectures of 3):

    teacher    student             KD
    wrn_40_2   wrn_16_2         74.92
    wrn_40_2   wrn_40_1         73.54
    resnet56   resnet20         70.66
    resnet110  resnet20         70.67
    resnet110  resnet32         73.08
    resnet32x4 resnet8x4        73.33
    vgg13      vgg8             72.98
    vgg13      MobileNetV2      67.37
    ResNet50   MobileNetV2      67.35
    ResNet50   vgg8             73.81
    resnet32x4 ShuffleV1        74.07
    resnet32x4 ShuffleV2        74.45
    wrn_40_2   ShuffleV1        74.83
"""
from configs import common


def get_config(arg=None):
    args = common.pair(arg)
    config = common.distil(args, "kd")
    config.loss.update({"gamma": 0.1, "alpha": 0.9, "beta": 0.0})  # RepDistiller, scripts/run_cifar_distill.sh
    config.loss.kd_temperature = 4.0  # the same script; the only method with gamma 0.1
    return config
