"""Relational representation distillation (Giakoumoglou and Stathaki, 2024); `rcd` in its README.

    python -m kdjax.main --config configs/rrd.py:teacher=resnet32x4,student=resnet8x4
    python -m kdjax.main --config configs/rrd.py:demo

`kd` adds the KL term (RRD+KD). The numbers belong to the variant "seed"; the newest code changed both settings.

Published top-1 on CIFAR-100, last epoch (distillers README, earlier revision):

    teacher    student            RRD   RRD+KD
    wrn_40_2   wrn_16_2         75.33    75.66
    wrn_40_2   wrn_40_1         73.55    74.67
    resnet56   resnet20         70.71    72.19
    resnet110  resnet20         70.72    71.74
    resnet110  resnet32         73.10    73.54
    resnet32x4 resnet8x4        74.48    75.08
    vgg13      vgg8             73.99    74.32
    vgg13      MobileNetV2      67.93    69.98
    ResNet50   MobileNetV2      68.84    69.13
    ResNet50   vgg8             74.01    74.26
    resnet32x4 ShuffleV1        74.11    75.18
    resnet32x4 ShuffleV2        74.80    76.83
    wrn_40_2   ShuffleV1        74.98    76.31
"""
from configs import common


def get_config(arg=None):
    args = common.pair(arg, flags=("kd",))
    config = common.distil(args, "rrd")
    config.loss.beta = 1.0  # distillers' README
    config.method.feat_dim = 128
    config.method.rrd.variant = "seed"  # 0.04 / 0.10, queue updated after the loss; "newest": before, 0.1 / 0.02
    config.method.rrd.queue_size = 1024 if args.demo else 16384  # --nce_k's default
    if args.kd:
        config.loss.alpha = 1.0
    return config
