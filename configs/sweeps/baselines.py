"""The table of the papers: every published method on their thirteen CIFAR-100 pairs, five seeds (cross: three).

    python -m kdjax.sweep runs/baselines --sweep configs/sweeps/baselines.py
    python -m kdjax.sweep runs/small --sweep configs/sweeps/baselines.py:demo        one pair on the digits, two seeds
    python -m kdjax.sweep runs/cross --sweep configs/sweeps/baselines.py:cross

On one GPU this takes weeks: choose with --methods, --pairs, --seeds, which win over this file. The teachers are the
released ones, fetched once. FSP is left out where the pair has other channels: its runs would fail and say so.
"""
from kdjax.errors import UserError

SAME = (("wrn_40_2", "wrn_16_2"), ("wrn_40_2", "wrn_40_1"), ("resnet56", "resnet20"), ("resnet110", "resnet20"),
        ("resnet110", "resnet32"), ("resnet32x4", "resnet8x4"), ("vgg13", "vgg8"))
CROSS = (("vgg13", "MobileNetV2"), ("ResNet50", "MobileNetV2"), ("ResNet50", "vgg8"), ("resnet32x4", "ShuffleV1"),
         ("resnet32x4", "ShuffleV2"), ("wrn_40_2", "ShuffleV1"))
METHODS = ("vanilla", "kd", "fitnet", "at", "sp", "cc", "vid", "rkd", "pkt", "ab", "ft", "nst", "crd", "crd+kd", "dcd",
           "dcd+kd", "rrd", "rrd+kd", "itrd", "reviewkd", "ickd", "ickd+kd", "dkd")


def get_sweep(arg=None):
    """arg: same, cross or demo; both groups of pairs without one, five seeds each."""
    if arg == "demo":
        return {"methods": ("vanilla", "kd", "itrd"), "pairs": (("resnet14", "resnet8"),), "seeds": (0, 1),
                "demo": True}
    if arg not in (None, "same", "cross"):
        raise UserError(f"baselines.py:{arg} is not understood; it takes same, cross or demo")
    pairs = {"same": SAME, "cross": CROSS, None: SAME + CROSS}[arg]
    return {"methods": METHODS, "pairs": pairs, "seeds": range(3 if arg == "cross" else 5)}
