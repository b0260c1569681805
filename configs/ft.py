"""Factor transfer (Kim, Park, Kwak, NeurIPS 2018): a paraphraser first, then a translator.

    python -m kdjax.main --config configs/ft.py:teacher=resnet32x4,student=resnet8x4
    python -m kdjax.main --config configs/ft.py:demo

Published top-1 on CIFAR-100, last epoch (RepDistiller README, means of 5 runs, across architectures of 3):

    teacher    student             FT
    wrn_40_2   wrn_16_2         73.25
    wrn_40_2   wrn_40_1         71.59
    resnet56   resnet20         69.84
    resnet110  resnet20         70.22
    resnet110  resnet32         72.37
    resnet32x4 resnet8x4        72.86
    vgg13      vgg8             70.58
    vgg13      MobileNetV2      61.78
    ResNet50   MobileNetV2      60.99
    ResNet50   vgg8             70.29
    resnet32x4 ShuffleV1        71.75
    resnet32x4 ShuffleV2        72.50
    wrn_40_2   ShuffleV1        72.03
"""
from configs import common


def get_config(arg=None):
    args = common.pair(arg)
    config = common.distil(args, "ft")
    config.loss.beta = 200.0  # RepDistiller, scripts/run_cifar_distill.sh
    config.method.ft.update({"rate": 0.5, "p1": 2, "p2": 1})
    config.train.init_epochs = 30 if not args.demo else 2  # --init_epochs' default
    return config
