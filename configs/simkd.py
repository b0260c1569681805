"""SimKD (Chen et al., CVPR 2022): the student behind the teacher's classifier.

    python -m kdjax.main --config configs/simkd.py:teacher=resnet32x4,student=resnet8x4
    python -m kdjax.main --config configs/simkd.py:demo

No accuracy for this setting is in our sources.
"""
from configs import common


def get_config(arg=None):
    args = common.pair(arg)
    config = common.distil(args, "simkd")
    config.loss.update({"gamma": 0.0, "alpha": 0.0, "beta": 1.0})  # distillers/imagenet: -c 0 -d 0 -b 1
    config.method.simkd.factor = 2  # -f
    return config
