"""Information-theoretic representation distillation (Miles et al., BMVC 2022): the thirteen experiments of its README.

    python -m kdjax.main --config configs/itrd.py:teacher=wrn_40_2,student=wrn_16_2
    python -m kdjax.main --config configs/itrd.py:experiment=8        the eighth line of the table below
    python -m kdjax.main --config configs/itrd.py:demo

All with gamma 1, beta 1, lambda_corr 2, lambda_mutual 1, no KL term. The published top-1 on CIFAR-100 stands beside
each pair's alpha.
"""
import re

from configs import common
from kdjax.errors import UserError

EXPERIMENTS = {  # (teacher, student): (alpha_it, published top-1)
    ("wrn_40_2", "wrn_16_2"): (1.01, 76.12),
    ("wrn_40_2", "wrn_40_1"): (1.01, 75.18),
    ("resnet56", "resnet20"): (1.01, 71.47),
    ("resnet110", "resnet20"): (1.01, 71.99),
    ("resnet110", "resnet32"): (1.01, 74.26),
    ("resnet32x4", "resnet8x4"): (1.01, 76.69),
    ("vgg13", "vgg8"): (1.01, 74.93),
    ("vgg13", "MobileNetV2"): (1.5, 70.39),
    ("ResNet50", "MobileNetV2"): (1.5, 71.34),
    ("ResNet50", "vgg8"): (1.5, 75.49),
    ("resnet32x4", "ShuffleV1"): (1.5, 76.69),
    ("resnet32x4", "ShuffleV2"): (1.5, 77.40),
    ("wrn_40_2", "ShuffleV1"): (1.5, 77.09),
}


def alpha(teacher: str, student: str) -> float:
    """The README's value for its pairs; for others 1.01 within a family, 1.5 across, as its values are."""
    family = lambda name: re.split(r"[0-9_]", name)[0]
    return EXPERIMENTS.get((teacher, student), (1.01 if family(teacher) == family(student) else 1.5,))[0]


def get_config(arg=None):
    args = common.pair(arg, teacher="wrn_40_2", student="wrn_16_2", experiment=0)
    if "experiment" in args.given:
        if not 1 <= args.experiment <= len(EXPERIMENTS):
            raise UserError(f"experiment={args.experiment} does not exist; give 1 to {len(EXPERIMENTS)}")
        common.take(args, *list(EXPERIMENTS)[args.experiment - 1])
    config = common.distil(args, "itrd")
    config.loss.beta = 1.0  # the README's -b
    # The README's --lambda_corr 2.0 --lambda_mutual 1.0; the parser's defaults are 2.0, 0.05 and alpha 1.5.
    config.method.itrd.update({"corr_weight": 2.0, "mutual_weight": 1.0, "alpha": alpha(args.teacher, args.student)})
    return config
