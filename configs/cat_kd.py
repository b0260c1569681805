"""Class attention transfer (CAT-KD, Guo et al., CVPR 2023).

    python -m kdjax.main --config configs/cat_kd.py:teacher=resnet32x4,student=resnet8x4
    python -m kdjax.main --config configs/cat_kd.py:demo

The published top-1 on CIFAR-100 that our sources hold (a third party's summary; the authors' table is in the paper):

    teacher    student         CAT-KD
    resnet32x4 ShuffleV1        78.26
"""
from configs import common

PAIRS = {  # (teacher, student): (weight, resolution of the maps, whether they are normalised); the authors' configs
    ("wrn_40_2", "wrn_16_2"): (12.0, 2, False),
    ("wrn_40_2", "wrn_40_1"): (1.5, 2, False),
    ("resnet56", "resnet20"): (0.7, 2, False),
    ("resnet110", "resnet32"): (1.8, 2, False),
    ("resnet32x4", "resnet8x4"): (15.0, 2, False),
    ("vgg13", "vgg8"): (4.5, 2, False),
    ("vgg13", "MobileNetV2"): (15.0, 2, True),
    ("ResNet50", "MobileNetV2"): (40.0, 2, True),
    ("resnet32x4", "ShuffleV1"): (600.0, 4, True),
    ("resnet32x4", "ShuffleV2"): (600.0, 4, True),
    ("wrn_40_2", "ShuffleV1"): (80.0, 4, True),
}


def get_config(arg=None):
    args = common.pair(arg)
    config = common.distil(args, "cat_kd")
    config.loss.beta, resolution, normalize = PAIRS.get((args.teacher, args.student), (1.5, 2, False))
    config.method.cat_kd.update({"resolution": resolution, "normalize": normalize})
    return config
