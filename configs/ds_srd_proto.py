"""Prototypical relations (the PCL programs of DS-SRD): KD, CRD, and relations to clusters of the teacher's features.

    python -m kdjax.main --config configs/ds_srd_proto.py:experiment=2
    python -m kdjax.main --config configs/ds_srd_proto.py:experiment=2,weights=second
    python -m kdjax.main --config configs/ds_srd_proto.py:experiment=2,dkd
    python -m kdjax.main --config configs/ds_srd_proto.py:demo

experiment: a row of the release's scripts/a.sh (a / b / c: the weights of KL, CRD and prototypes):

     1 resnet32x4 resnet8x4     1/0.8/0.8; 1/5/1; ablation 1/0/0.8    DKD 8, 1
     2 wrn_40_2   wrn_16_2      1/0.8/0.8; 1/5/1                      DKD 1, 8
     3 wrn_40_2   wrn_40_1      1/0.8/0.8; 1/5/1       logits         DKD 1, 6
     4 resnet56   resnet20      1/0.8/0.8; 1/5/1                      DKD 1, 2 with b 0.8
     5 resnet110  resnet20      1/0.8/0.8; 1/5/1                      DKD 2, 1 with b 0.8
     6 resnet110  resnet32      1/0.8/0.8; 1/5/1                      DKD 2, 1 with b 0.8
     7 vgg13      vgg8          1/0.8/0.8; 1/5/1       logits         DKD 6, 1
     8 resnet32x4 ShuffleV1     1/0.8/0.1; 1/5/1       logits         DKD 1, 8
     9 resnet32x4 ShuffleV2     1/5/1                  logits         DKD 1, 8
    10 wrn_40_2   ShuffleV1     1/10/1                 logits         DKD 1, 8 with b 5
    11 vgg13      MobileNetV2   1/5/1                  logits         DKD 1, 6
    12 ResNet50   MobileNetV2   1/5/1 (batch 64)       logits         DKD 1, 8
    13 ResNet50   vgg8          1/5/1 (batch 64)       logits         DKD 1, 8

weights: first, second or ablation; `dkd` puts DKD in place of the KL, with batch 64 as in all those runs. logits: what
is compared, for the networks' features differ in width.

Here the student's relations are compared with the teacher's. The release compares the student with itself on a strong
view: `--config.method.proto.reference=self_view --config.method.proto.detach_ref=False --config.kd.teacher_view=other`
(version 1; version 2 has reference=ema_student). No accuracies are published.
"""
from configs import common
from kdjax.errors import UserError

PAIRS = {1: ("resnet32x4", "resnet8x4"), 2: ("wrn_40_2", "wrn_16_2"), 3: ("wrn_40_2", "wrn_40_1"),
         4: ("resnet56", "resnet20"), 5: ("resnet110", "resnet20"), 6: ("resnet110", "resnet32"), 7: ("vgg13", "vgg8"),
         8: ("resnet32x4", "ShuffleV1"), 9: ("resnet32x4", "ShuffleV2"), 10: ("wrn_40_2", "ShuffleV1"),
         11: ("vgg13", "MobileNetV2"), 12: ("ResNet50", "MobileNetV2"), 13: ("ResNet50", "vgg8")}
FIRST = {8: (0.8, 0.1), 9: (5.0, 1.0), 10: (10.0, 1.0), 11: (5.0, 1.0), 12: (5.0, 1.0), 13: (5.0, 1.0)}  # b, c
DKD = {1: (8, 1), 2: (1, 8), 3: (1, 6), 4: (1, 2), 5: (2, 1), 6: (2, 1), 7: (6, 1), 8: (1, 8), 9: (1, 8), 10: (1, 8),
       11: (1, 6), 12: (1, 8), 13: (1, 8)}
DKD_BETA = {4: 0.8, 5: 0.8, 6: 0.8}  # b of the DKD runs where it is not 5
LOGITS, SMALL_BATCH = (3, 7, 8, 9, 10, 11, 12, 13), (12, 13)


def get_config(arg=None):
    args = common.pair(arg, flags=("dkd",), experiment=0, weights="first")
    common.experiment(args, PAIRS)
    config = common.distil(args, "kd")
    config.loss.update({"gamma": 1.0, "alpha": 1.0, "kd_temperature": 4.0})
    config.method.names, config.method.feat_dim = ("crd", "proto"), 128
    config.loss.beta, config.method.proto.weight = weights(args)
    config.method.proto.update({"num_clusters": (500, 800, 1000), "num_negatives": 100, "temperature": 0.1,
                                "start_epoch": 10, "tap": "logits" if args.experiment in LOGITS else "penultimate"})
    config.data.batch_size = 64 if args.dkd or args.experiment in SMALL_BATCH else 128
    config.optim.schedule.update({"kind": "cosine", "offset": 0})
    if args.dkd:
        with_dkd(config, args)
    if args.demo:
        config.data.batch_size, config.method.crd.num_negatives = 64, 256
        config.method.proto.update({"num_clusters": (20, 30, 40), "num_negatives": 10, "start_epoch": 2})
    return config


def weights(args) -> tuple[float, float]:
    """(b, c) of the experiment."""
    if args.weights not in ("first", "second", "ablation"):
        raise UserError(f"config argument weights={args.weights!r} is not one of first, second, ablation")
    return {"first": FIRST.get(args.experiment, (0.8, 0.8)), "second": (5.0, 1.0), "ablation": (0.0, 0.8)}[args.weights]


def with_dkd(config, args) -> None:
    """DKD, which grows over 20 epochs, in place of the KL term; CRD's weight is that of the DKD runs."""
    alpha, beta = DKD.get(args.experiment, (1, 8))
    config.loss.kd_kind, config.loss.beta = "dkd", DKD_BETA.get(args.experiment, 5.0)
    config.method.dkd.update({"alpha": float(alpha), "beta": float(beta), "temperature": 4.0, "warmup_epochs": 20})
