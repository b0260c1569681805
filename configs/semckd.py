"""SemCKD (Chen et al., AAAI 2021).

    python -m kdjax.main --config configs/semckd.py:teacher=resnet32x4,student=resnet8x4
    python -m kdjax.main --config configs/semckd.py:demo

No accuracy for this setting is in our sources. The published weight of 400 does not suit every teacher: with one whose
maps are large (mean square 2 to 3.4: resnet56a on CIFAR-10) it diverges at rate 0.05 within 50 steps, in PyTorch too;
a quarter of it trains well there (docs/methods.md).
"""
from configs import common


def get_config(arg=None):
    args = common.pair(arg)
    config = common.distil(args, "semckd")
    config.loss.update({"gamma": 1.0, "alpha": 1.0, "beta": 400.0})  # distillers/imagenet: -c 1 -d 1 -b 400
    config.method.semckd.soft = 1.0  # -s
    if args.demo:
        config.optim.lr = 0.01  # at 0.05, beta 400 diverges on the maps of the demo's briefly trained teacher
    return config
