"""Flow of solution procedure (Yim et al., CVPR 2017): a pre-stage, then plain training.

    python -m kdjax.main --config configs/fsp.py:teacher=resnet32x4,student=resnet8x4
    python -m kdjax.main --config configs/fsp.py:demo

Equal channels at every stage only: six of the thirteen pairs.

Published top-1 on CIFAR-100, last epoch (RepDistiller README, means of 5 runs, across architectures of 3):

    teacher    student            FSP
    wrn_40_2   wrn_16_2         72.91
    resnet56   resnet20         69.95
    resnet110  resnet20         70.11
    resnet110  resnet32         71.89
    resnet32x4 resnet8x4        72.62
    vgg13      vgg8             70.23
"""
from configs import common


def get_config(arg=None):
    args = common.pair(arg)
    config = common.distil(args, "fsp")
    config.loss.beta = 50.0  # the script's; without effect, the main stage has no term
    config.train.init_epochs = 30 if not args.demo else 2  # --init_epochs' default
    return config
