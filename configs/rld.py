"""Refined logit distillation (RLD, Sun et al., ICCV 2025).

    python -m kdjax.main --config configs/rld.py:teacher=resnet32x4,student=resnet8x4
    python -m kdjax.main --config configs/rld.py:demo

The release's configs hold no values by pair, and no accuracy for this setting is in our sources.
`--config.method.rld.standardize=True` and `--config.method.rld.same_t=True` are the release's other switches.
"""
from configs import common


def get_config(arg=None):
    args = common.pair(arg)
    config = common.distil(args, "rld")
    config.loss.beta = 1.0  # beside a cross-entropy of 1
    config.method.rld.update({"alpha": 1.0, "beta": 8.0, "temperature": 4.0, "alpha_temperature": 1.0})
    config.method.rld.warmup_epochs = 1 if args.demo else 20  # grows linearly over as many epochs
    return config
