"""Inter-channel correlation (Liu et al., ICCV 2021).

    python -m kdjax.main --config configs/ickd.py:teacher=resnet32x4,student=resnet8x4
    python -m kdjax.main --config configs/ickd.py:demo

`kd` adds the KL term (ICKD+KD). A second script of the authors uses beta 4.

Published top-1 on CIFAR-100, last epoch (the authors' README):

    teacher    student           ICKD  ICKD+KD
    wrn_40_2   wrn_16_2         75.64    75.57
    wrn_40_2   wrn_40_1         74.33    74.63
    resnet56   resnet20         71.76    71.69
    resnet110  resnet20         71.68    71.91
    resnet110  resnet32         73.89    74.11
    resnet32x4 resnet8x4        75.25    75.48
    vgg13      vgg8             73.42    73.88
"""
from configs import common


def get_config(arg=None):
    args = common.pair(arg, flags=("kd",))
    config = common.distil(args, "ickd")
    config.loss.beta = 2.5  # the authors' README and run script
    if args.kd:
        config.loss.alpha = 1.0
    return config
