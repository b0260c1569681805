"""KD-SVD (Lee, Kim, Song, ECCV 2018).

    python -m kdjax.main --config configs/kdsvd.py:teacher=resnet32x4,student=resnet8x4
    python -m kdjax.main --config configs/kdsvd.py:demo

Equal channels at every stage only.

No accuracy is published for this setting.
"""
from configs import common


def get_config(arg=None):
    args = common.pair(arg)
    config = common.distil(args, "kdsvd")
    config.loss.beta = 1.0  # mdistiller's; RepDistiller's script gives none
    config.method.kdsvd.k = 1
    return config
