"""Decoupled knowledge distillation (Zhao et al., CVPR 2022), as in mdistiller, within RepDistiller's protocol.

    python -m kdjax.main --config configs/dkd.py:teacher=resnet32x4,student=resnet8x4
    python -m kdjax.main --config configs/dkd.py:demo

The published top-1 on CIFAR-100 (mdistiller README) stands beside the pair's beta.
"""
from configs import common

PAIRS = {  # (teacher, student): (beta of the non-target part, published top-1); mdistiller, configs/cifar100/dkd
    ("resnet56", "resnet20"): (2.0, 71.97),
    ("resnet110", "resnet32"): (2.0, 74.11),
    ("resnet32x4", "resnet8x4"): (8.0, 76.32),
    ("wrn_40_2", "wrn_16_2"): (6.0, 76.23),
    ("wrn_40_2", "wrn_40_1"): (6.0, 74.81),
    ("vgg13", "vgg8"): (6.0, 74.68),
    ("resnet32x4", "ShuffleV1"): (8.0, 76.45),
    ("resnet32x4", "ShuffleV2"): (8.0, None),
    ("wrn_40_2", "ShuffleV1"): (8.0, 76.70),
    ("vgg13", "MobileNetV2"): (6.0, 69.71),
    ("ResNet50", "MobileNetV2"): (8.0, 70.35),
}


def configured(args):
    """The config of a pair, for this file and for configs/lskd.py."""
    config = common.distil(args, "dkd")
    config.loss.update({"gamma": 1.0, "alpha": 0.0, "beta": 1.0})  # mdistiller: CE weight 1; the two parts weigh inside
    beta = PAIRS.get((args.teacher, args.student), (8.0,))[0]  # 8 is the loss's default
    config.method.dkd.update({"alpha": 1.0, "beta": beta, "temperature": 4.0})
    config.method.dkd.warmup_epochs = 1 if args.demo else 20  # grows linearly over as many epochs
    return config


def get_config(arg=None):
    return configured(common.pair(arg))
