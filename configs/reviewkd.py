"""Distilling knowledge via knowledge review (Chen et al., CVPR 2021), as in mdistiller.

    python -m kdjax.main --config configs/reviewkd.py:teacher=resnet32x4,student=resnet8x4
    python -m kdjax.main --config configs/reviewkd.py:demo

The authors' own program has batch 128, rate 0.1 (0.02 for small networks) and Nesterov momentum; mdistiller's port, and
so this, RepDistiller's protocol. For ResNet50 -> MobileNetV2 a user got 69.88 only with weight 30 (mdistiller's issue
39).

Published top-1 on CIFAR-100, best epoch (KD++ README and a third-party list; beside it the README of ITRD):

    teacher    student       ReviewKD    by ITRD
    wrn_40_2   wrn_16_2         76.12      76.12
    wrn_40_2   wrn_40_1         75.09      75.09
    resnet56   resnet20         71.89      71.89
    resnet110  resnet32         73.89      73.89
    resnet32x4 resnet8x4        75.63      75.63
    vgg13      vgg8             74.84      74.85
    vgg13      MobileNetV2      70.37      70.37
    ResNet50   MobileNetV2      69.89      69.89
    resnet32x4 ShuffleV1        77.45      77.45
    resnet32x4 ShuffleV2        77.78      77.78
    wrn_40_2   ShuffleV1            -      77.14
"""
from configs import common

WEIGHTS = {  # (teacher, student): weight of the term; the authors' scripts
    ("wrn_40_2", "wrn_16_2"): 5.0,
    ("wrn_40_2", "wrn_40_1"): 5.0,
    ("resnet56", "resnet20"): 0.6,
    ("resnet110", "resnet32"): 1.0,
    ("resnet32x4", "resnet8x4"): 5.0,
    ("ResNet50", "MobileNetV2"): 7.0,
    ("resnet32x4", "ShuffleV1"): 5.0,
    ("resnet32x4", "ShuffleV2"): 8.0,
    ("wrn_40_2", "ShuffleV1"): 5.0,
}


def get_config(arg=None):
    args = common.pair(arg)
    config = common.distil(args, "reviewkd")
    config.loss.beta = WEIGHTS.get((args.teacher, args.student), 5.0)  # 5 is the commonest
    config.method.reviewkd.warmup_epochs = 1 if args.demo else 20  # grows linearly over as many epochs
    return config
