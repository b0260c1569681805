"""Distillation with mixed images (DS-SRD with data augmentation, on Good-DA-in-KD): KD on x and on x', CRD, prototypes.

    python -m kdjax.main --config configs/ds_srd_aug.py:experiment=9
    python -m kdjax.main --config configs/ds_srd_aug.py:mix=cutmix_pick_teacher
    python -m kdjax.main --config configs/ds_srd_aug.py:mix=cutmix,kd,teacher=resnet56,student=resnet20
    python -m kdjax.main --config configs/ds_srd_aug.py:mix=cutmix_pick_teacher,demo

mix, or experiment 1 to 9, is how x' is made: identity, flip, crop+flip, cutout, autoaugment, mixup, cutmix,
cutmix_pick_student, cutmix_pick_teacher (of a pool of two cutmixes, the images of highest entropy); any other mode of
`config.mix.mode` too. 0.1 CE + 0.9 (KD(x) + KD(x')) + 0.8 CRD + 0.8 prototypes, wrn_40_2 -> wrn_16_2, as released.

`kd`: Good-DA-in-KD's own form of the nine, without CRD and prototypes. The release's committed defaults (learning rate
0, frozen student, 10 epochs) train nothing; these are Good-DA's: 0.05, steps at 150, 180, 210 of 240 epochs, batch 64.
No accuracies are published. `python -m kdjax.deviation` compares modes by the teacher alone, without training.
"""
from configs import common
from kdjax.config.fields import FIELDS
from kdjax.errors import UserError

NINE = ("identity", "flip", "crop+flip", "cutout", "autoaugment", "mixup", "cutmix", "cutmix_pick_student",
        "cutmix_pick_teacher")


def get_config(arg=None):
    args = common.pair(arg, flags=("kd",), teacher="wrn_40_2", student="wrn_16_2", experiment=0, mix="")
    config = common.distil(args, "kd")
    config.loss.update({"gamma": 0.1, "alpha": 0.9, "beta": 0.0 if args.kd else 0.8, "kd_temperature": 4.0})
    if not args.kd:
        config.method.names, config.method.feat_dim = ("crd", "proto"), 128
        config.method.proto.update({"weight": 0.8, "num_clusters": (500, 800, 1000), "num_negatives": 100,
                                    "temperature": 0.1, "start_epoch": 10})
    mode, _, who = chosen(args).partition("_pick_")
    config.mix.update({"mode": f"{mode}_pick" if who else mode, "weights": (1.0, 0.0, 1.0), "runs": 2})
    if who:
        config.mix.criterion = f"{who}_entropy"
    if args.demo:
        config.method.crd.num_negatives = 256
        config.method.proto.update({"num_clusters": (20, 30, 40), "num_negatives": 10, "start_epoch": 2})
    return config


def chosen(args) -> str:
    """The mode that the arguments name."""
    known = (*NINE, *filter(None, FIELDS["mix.mode"].choices))
    if args.experiment and not 1 <= args.experiment <= len(NINE):
        raise UserError(f"config argument experiment={args.experiment} is not one of 1 to {len(NINE)}")
    mode = args.mix or NINE[(args.experiment or 9) - 1]
    if mode not in known:
        raise UserError(f"config argument mix={mode!r} is not one of {', '.join(known)}")
    return mode
