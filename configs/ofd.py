"""A comprehensive overhaul of feature distillation (Heo et al., ICCV 2019), within RepDistiller's protocol.

    python -m kdjax.main --config configs/ofd.py:teacher=resnet32x4,student=resnet8x4
    python -m kdjax.main --config configs/ofd.py:demo

Teachers need batch norms before their stages' ReLUs: ResNets, WRNs, VGGs, MobileNetV2 (not ShuffleNets).

Published top-1 on CIFAR-100, best epoch (KD++ README, its table of earlier methods):

    teacher    student            OFD
    wrn_40_2   wrn_40_1         74.33
    resnet56   resnet20         70.98
    resnet32x4 resnet8x4        74.95
    ResNet50   MobileNetV2      69.04
    resnet32x4 ShuffleV1        75.98
    resnet32x4 ShuffleV2        76.82
"""
from configs import common


def get_config(arg=None):
    args = common.pair(arg)
    config = common.distil(args, "ofd")
    config.loss.beta = 1e-3  # both releases
    config.teacher.batch_stats = "batch"  # both releases leave the teacher in train mode
    return config
