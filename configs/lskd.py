"""Logit standardisation (Sun et al., CVPR 2024): KL, DKD, MLKD or CTKD of standardised logits.

    python -m kdjax.main --config configs/lskd.py:teacher=resnet32x4,student=resnet8x4
    python -m kdjax.main --config configs/lskd.py:demo

`base=dkd`, `base=mlkd` and `base=ctkd` standardise those methods' logits instead of KL's (as methods of their own:
`standardize`).

Published top-1 on CIFAR-100, best epoch (the authors' README):

    teacher    student          KD+LS     DKD+LS    MLKD+LS    CTKD+LS
    wrn_40_2   wrn_16_2         76.11      76.39      76.95      76.08
    wrn_40_2   wrn_40_1         74.37      74.89      75.56      74.58
    resnet56   resnet20         71.43      72.32      72.33      71.34
    resnet110  resnet20         71.48      71.85      72.27      71.39
    resnet110  resnet32         74.17      74.29      74.32      74.01
    resnet32x4 resnet8x4        76.62      77.01      78.28      76.67
    vgg13      vgg8             74.36      74.81      75.22      74.47
    vgg13      MobileNetV2      68.61      69.98      70.94      68.98
    ResNet50   MobileNetV2      69.02      70.45      71.19      69.36
    resnet32x4 ShuffleV2        75.56      77.37      78.76      76.18
"""
from configs import common, ctkd, dkd, mlkd
from kdjax.errors import UserError

BASES = ("kd", "dkd", "mlkd", "ctkd")
PAIRS = {  # (teacher, student): (T, weight) of KL, and of DKD; from the names of the authors' log files
    ("wrn_40_2", "wrn_16_2"): ((2.0, 9.0), (2.0, 12.0)),
    ("wrn_40_2", "wrn_40_1"): ((2.0, 9.0), (2.0, 12.0)),
    ("resnet56", "resnet20"): ((2.0, 9.0), (3.0, 18.0)),
    ("resnet110", "resnet20"): ((4.0, 12.0), (2.0, 15.0)),
    ("resnet110", "resnet32"): ((2.0, 9.0), (2.0, 15.0)),
    ("resnet32x4", "resnet8x4"): ((2.0, 9.0), (2.0, 9.0)),
    ("vgg13", "vgg8"): ((3.0, 9.0), (2.0, 15.0)),
    ("vgg13", "MobileNetV2"): ((3.0, 9.0), (3.0, 9.0)),
    ("ResNet50", "MobileNetV2"): ((3.0, 1.0), (2.0, 15.0)),
    ("resnet32x4", "ShuffleV2"): ((2.0, 9.0), (2.0, 9.0)),
}


def get_config(arg=None):
    args = common.pair(arg, base="kd")
    if args.base not in BASES:
        raise UserError(f"config argument base={args.base!r} is none of {', '.join(BASES)}; choose one")
    if args.base in ("mlkd", "ctkd"):
        return {"mlkd": mlkd, "ctkd": ctkd}[args.base].configured(args, standardize=True)
    (t_kd, w_kd), (t_dkd, w_dkd) = PAIRS.get((args.teacher, args.student), ((2.0, 9.0), (2.0, 9.0)))
    if args.base == "dkd":
        config = dkd.configured(args)
        config.loss.beta = w_dkd  # on both parts
        config.method.dkd.update({"beta": 2.0, "temperature": t_dkd, "standardize": True})  # 2 in most of the logs
        return config
    config = common.distil(args, "lskd")
    config.loss.update({"gamma": 0.1, "alpha": 0.0, "beta": w_kd})
    config.method.lskd.temperature = t_kd
    return config
