"""Embedding graph alignment (Ma et al., BMVC 2022).

    python -m kdjax.main --config configs/ega.py:teacher=resnet32x4,student=resnet8x4
    python -m kdjax.main --config configs/ega.py:demo

Penultimate vectors of one width only.

No accuracy is published for this setting.
"""
from configs import common


def get_config(arg=None):
    args = common.pair(arg)
    config = common.distil(args, "ega")
    config.loss.beta = 1.0  # no published script gives a weight
    config.method.ega.update({"node_weight": 1.0, "edge_weight": 0.3})  # the loss class's defaults in distillers
    return config
