"""Multi-level logit distillation (Jin, Wang & Lin, CVPR 2023).

    python -m kdjax.main --config configs/mlkd.py:teacher=resnet32x4,student=resnet8x4
    python -m kdjax.main --config configs/mlkd.py:demo

`ls` standardises the logits (Sun et al., CVPR 2024). Every image is seen twice a step, weakly and strongly augmented,
by both networks. The rate is half of the usual one and decays at epochs 150, 180 and 210 of 240, 480 or 960.

On CIFAR-10 a tenth of this weight did better (docs/methods.md).

Published top-1 on CIFAR-100, best epoch (README of logit standardisation):

    teacher    student           MLKD    MLKD+LS
    wrn_40_2   wrn_16_2         76.63      76.95
    wrn_40_2   wrn_40_1         75.35      75.56
    resnet56   resnet20         72.19      72.33
    resnet110  resnet20         71.89      72.27
    resnet110  resnet32         74.11      74.32
    resnet32x4 resnet8x4        77.08      78.28
    vgg13      vgg8             75.18      75.22
    vgg13      MobileNetV2      70.57      70.94
    ResNet50   MobileNetV2      71.04      71.19
    resnet32x4 ShuffleV2        78.44      78.76
"""
from configs import common

RATES = {("vgg13", "vgg8"): 0.01, ("wrn_40_2", "MobileNetV2"): 0.005}  # the released configs; the small networks 0.01
LONG = {  # epochs where networks of different families meet; within a family 240
    "MobileNetV2": 480, "ShuffleV1": 480, "ShuffleV2": 480}
STANDARDIZED = {  # (teacher, student): (T, weight) with standardised logits; else 2 and 9
    ("vgg13", "vgg8"): (2.0, 6.0), ("vgg13", "MobileNetV2"): (2.0, 6.0), ("resnet32x4", "ShuffleV2"): (2.0, 6.0)}


def epochs(args, standardize: bool) -> int:
    """240 within a family, else 480; from resnet32x4 to a ShuffleNet 960; with standardised logits never under 480."""
    if args.teacher == "resnet32x4" and args.student.startswith("Shuffle"):
        return 960
    return max(LONG.get(args.student, 240), 480 if standardize else 0)


def configured(args, standardize: bool = False):
    """The config of a pair, for this file and for configs/lskd.py."""
    config = common.distil(args, "mlkd")
    temperature, weight = STANDARDIZED.get((args.teacher, args.student), (2.0, 9.0)) if standardize else (4.0, 0.9)
    config.loss.update({"gamma": 0.1, "alpha": 0.0, "beta": weight})  # 0.1 on the labels of both views
    config.method.mlkd.update({"temperature": temperature, "standardize": standardize})
    small = args.student in config.optim.lr_override
    config.optim.lr = RATES.get((args.teacher, args.student), 0.01 if small else 0.025)
    if not args.demo:
        config.train.epochs = epochs(args, standardize)
    return config


def get_config(arg=None):
    args = common.pair(arg, flags=("ls",))
    return configured(args, args.ls)
