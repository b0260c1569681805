"""Curriculum temperature for knowledge distillation (CTKD, Li et al., AAAI 2023).

    python -m kdjax.main --config configs/ctkd.py:teacher=resnet32x4,student=resnet8x4
    python -m kdjax.main --config configs/ctkd.py:demo

`ls` standardises the logits (Sun et al., CVPR 2024), at that paper's weight for KL, as its release names none for CTKD.
`--config.method.ctkd.loss=dkd` learns the temperature of DKD.

Published top-1 on CIFAR-100, best epoch (README of logit standardisation):

    teacher    student           CTKD    CTKD+LS
    wrn_40_2   wrn_16_2         75.45      76.08
    wrn_40_2   wrn_40_1         73.93      74.58
    resnet56   resnet20         71.19      71.34
    resnet110  resnet20         70.99      71.39
    resnet110  resnet32         73.52      74.01
    resnet32x4 resnet8x4        73.39      76.67
    vgg13      vgg8             73.52      74.47
    vgg13      MobileNetV2      68.50      68.98
    ResNet50   MobileNetV2      68.67      69.36
    resnet32x4 ShuffleV2        75.37      76.18
"""
from configs import common


def configured(args, standardize: bool = False):
    """The config of a pair, for this file and for configs/lskd.py."""
    config = common.distil(args, "ctkd")
    config.loss.update({"gamma": 0.1, "alpha": 0.0, "beta": 9.0 if standardize else 0.9})  # the release's -r 0.1 -a 0.9
    config.method.ctkd.update({"t_start": 1.0, "t_end": 20.0, "loops": 2 if args.demo else 10, "decay_max": 0.0,
                               "decay_min": -1.0, "standardize": standardize})
    return config


def get_config(arg=None):
    args = common.pair(arg, flags=("ls",))
    return configured(args, args.ls)
