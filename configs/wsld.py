"""Weighted soft labels (Zhou et al., ICLR 2021).

    python -m kdjax.main --config configs/wsld.py:teacher=resnet32x4,student=resnet8x4
    python -m kdjax.main --config configs/wsld.py:demo

No accuracy is published for this setting.
"""
from configs import common


def get_config(arg=None):
    args = common.pair(arg)
    config = common.distil(args, "wsld")
    config.loss.update({"gamma": 0.0, "alpha": 0.0, "beta": 1.0})  # the loss contains its own cross-entropy
    config.method.wsld.update({"temperature": 2.0, "alpha": 2.5})  # the class's comment and default (distillers)
    return config
