"""Plain training, no teacher: trains the teachers, and students to compare with.

    python -m kdjax.main --config configs/vanilla.py:model=wrn_40_2 --workdir teachers/wrn_40_2
    python -m kdjax.main --config configs/vanilla.py:demo

The other configs look for their teachers where the first line puts one. Published top-1 on CIFAR-100 (RepDistiller):
wrn_40_2 75.61, resnet56 72.34, resnet110 74.31, resnet32x4 79.42, vgg13 74.64, ResNet50 79.34; as students wrn_16_2
73.26, wrn_40_1 71.98, resnet20 69.06, resnet32 71.14, resnet8x4 72.50, vgg8 70.36, MobileNetV2 64.60, ShuffleV1 70.50,
ShuffleV2 71.82.
"""
from configs import common


def get_config(arg=None):
    args = common.parse(arg, model="resnet8")  # RepDistiller's default is resnet110, distillers' resnet8
    if args.demo and "dataset" not in args.given:
        args.dataset = "digits"
    config = common.alone(args, "vanilla", args.model)
    config.loss.update({"gamma": 1.0, "alpha": 0.0, "beta": 0.0})
    return config
