"""Prototypical relations alone beside the KL, on the common protocol; the programs are in configs/ds_srd_proto.py.

    python -m kdjax.main --config configs/proto.py:teacher=wrn_40_2,student=wrn_16_2
    python -m kdjax.main --config configs/proto.py:demo

The student's features must be as wide as the teacher's; `--config.method.proto.align=linear` learns a map where they
are not, `--config.method.proto.tap=logits` compares logits. No accuracies are published.
"""
from configs import common


def get_config(arg=None):
    args = common.pair(arg, teacher="wrn_40_2", student="wrn_16_2")
    config = common.distil(args, "proto")
    config.loss.alpha = 1.0
    config.method.proto.update({"weight": 0.8, "num_clusters": (500, 800, 1000), "num_negatives": 100,
                                "temperature": 0.1, "start_epoch": 10})
    if args.demo:
        config.method.proto.update({"num_clusters": (20, 30, 40), "num_negatives": 10, "start_epoch": 2})
    return config
