"""Scale decoupled distillation (SDD, Wei, Luo & Luo, CVPR 2024).

    python -m kdjax.main --config configs/sdd.py:teacher=resnet32x4,student=resnet8x4
    python -m kdjax.main --config configs/sdd.py:demo

DKD of every region; `kd` takes KL instead (the authors' SD-KD). Regions 1x1 and 2x2 within a family, also 4x4 across.

Published top-1 on CIFAR-100, best epoch (cifar100.png of the authors' repository; SD-NKD, whose mask is faulty in
the release, is not offered):

    teacher    student          SD-KD     SD-DKD     SD-NKD
    vgg13      MobileNetV2      68.79      70.25      69.50
    ResNet50   MobileNetV2      69.55      71.36      70.25
    ResNet50   vgg8             74.89      75.86      74.62
    resnet32x4 ShuffleV1        76.30      77.30      76.34
    resnet32x4 ShuffleV2        76.67      78.05      77.07
    wrn_40_2   ShuffleV1        76.65      77.21      76.81
"""
from configs import common

BETAS = {  # (teacher, student): DKD's beta where it is not 8
    ("resnet56", "resnet20"): 2.0,
    ("resnet110", "resnet32"): 2.0,
    ("wrn_40_2", "wrn_16_2"): 6.0,
    ("wrn_40_2", "wrn_40_1"): 6.0,
    ("vgg13", "vgg8"): 6.0,
    ("vgg13", "MobileNetV2"): 6.0,
}


def family(name: str) -> str:
    """Networks of one name but for digits and widths."""
    return name.rstrip("0123456789x_a")


def get_config(arg=None):
    args = common.pair(arg, flags=("kd",))
    config = common.distil(args, "sdd")
    same = family(args.teacher) == family(args.student)
    config.method.sdd.update({"loss": "kd" if args.kd else "dkd", "scales": (1, 2) if same else (1, 2, 4), "alpha": 1.0,
                              "beta": BETAS.get((args.teacher, args.student), 8.0), "temperature": 4.0})
    if args.kd:
        config.loss.update({"gamma": 0.1, "beta": 0.9})  # the KD config's
        config.method.sdd.warmup_epochs = 0
    else:
        config.method.sdd.warmup_epochs = 1 if args.demo else 20
    return config
