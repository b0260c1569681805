"""FitNets (Romero et al., ICLR 2015), in RepDistiller's one-stage form.

    python -m kdjax.main --config configs/fitnet.py:teacher=resnet32x4,student=resnet8x4
    python -m kdjax.main --config configs/fitnet.py:demo

Published top-1 on CIFAR-100, last epoch (RepDistiller README, means of 5 runs, across architectures of 3):

    teacher    student         FitNet
    wrn_40_2   wrn_16_2         73.58
    wrn_40_2   wrn_40_1         72.24
    resnet56   resnet20         69.21
    resnet110  resnet20         68.99
    resnet110  resnet32         71.06
    resnet32x4 resnet8x4        73.50
    vgg13      vgg8             71.02
    vgg13      MobileNetV2      64.14
    ResNet50   MobileNetV2      63.16
    ResNet50   vgg8             70.69
    resnet32x4 ShuffleV1        73.59
    resnet32x4 ShuffleV2        73.54
    wrn_40_2   ShuffleV1        73.73
"""
from configs import common


def get_config(arg=None):
    args = common.pair(arg)
    config = common.distil(args, "fitnet")
    config.loss.beta = 100.0  # RepDistiller, scripts/run_cifar_distill.sh
    config.method.fitnet.layer = 2  # --hint_layer's default: 0 is the stem
    return config
