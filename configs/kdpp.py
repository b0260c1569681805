"""KD++ (Wang et al., 2023): KL, and the norm and direction of the student's embedding.

    python -m kdjax.main --config configs/kdpp.py:teacher=resnet32x4,student=resnet8x4
    python -m kdjax.main --config configs/kdpp.py:demo

Added to another method it makes that one's "++": `method.names=dist,kdpp` with `method.kdpp.kd_weight=0`. The authors
train with batch 128, rate 0.1 (0.02 for small networks) and Nesterov momentum, as here.

Published top-1 on CIFAR-100, best epoch (the authors' README):

    teacher    student           KD++     DIST++      DKD++ ReviewKD++
    wrn_40_2   wrn_40_1         74.59      75.00      75.02      75.66
    resnet56   resnet20         72.53      72.52      72.16      72.05
    resnet32x4 resnet8x4        75.54      76.13      76.28      76.07
    ResNet50   MobileNetV2      70.10      69.80      70.82      70.45
    resnet32x4 ShuffleV1        75.45      75.60      77.11      77.68
    resnet32x4 ShuffleV2        76.42      76.64      77.49      77.93
"""
from configs import common

PAIRS = {  # (teacher, student): (weight of KL, weight of norm and direction); the authors' README
    ("wrn_40_2", "wrn_40_1"): (1.0, 1.5),
    ("resnet56", "resnet20"): (1.0, 2.0),
    ("resnet32x4", "resnet8x4"): (3.5, 2.0),
    ("ResNet50", "MobileNetV2"): (3.0, 0.5),
    ("resnet32x4", "ShuffleV1"): (2.5, 1.5),
    ("resnet32x4", "ShuffleV2"): (4.0, 0.5),
}


def get_config(arg=None):
    args = common.pair(arg)
    config = common.distil(args, "kdpp")
    kd, nd = PAIRS.get((args.teacher, args.student), (1.0, 2.0))
    config.method.kdpp.update({"kd_weight": kd, "nd_weight": nd, "temperature": 4.0})
    config.method.kdpp.warmup_epochs = 1 if args.demo else 20  # of the KL
    if not args.demo:
        config.optim.lr = 0.02 if args.student in config.optim.lr_override else 0.1
        config.optim.nesterov, config.data.batch_size = True, 128
    return config
