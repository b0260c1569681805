"""The double student of DS-SRD, supervised: a weak student, a strong one, and the strong one's average as teacher.

    python -m kdjax.main --config configs/ds_srd.py:experiment=2
    python -m kdjax.main --config configs/ds_srd.py:teacher=resnet56,student=resnet20
    python -m kdjax.main --config configs/ds_srd.py:demo

No checkpoint is needed. experiment: 1 resnet32x4 -> resnet8x4, 2 wrn_40_2 -> wrn_16_2, 3 resnet32x4 -> ShuffleV1,
4 wrn_40_2 -> ShuffleV1 (the release's commands); 5 resnet56 -> resnet20, 6 resnet110 -> resnet20, 7 wrn_40_2 ->
wrn_40_1 (its scripts/a.sh). Here 240 epochs, so that methods compare; `epochs=500` is the release's length. Batch 128.

As published the program cannot work: its strong student is in no optimizer. `legacy` is that program, bit for bit; the
fields of config.ds change one thing at a time. `--config.method.names=crd,proto` adds the structured terms, whose
weights are `--config.loss.beta` and `--config.method.proto.weight`. The release publishes no accuracies.
"""
from configs import common

PAIRS = {1: ("resnet32x4", "resnet8x4"), 2: ("wrn_40_2", "wrn_16_2"), 3: ("resnet32x4", "ShuffleV1"),
         4: ("wrn_40_2", "ShuffleV1"), 5: ("resnet56", "resnet20"), 6: ("resnet110", "resnet20"),
         7: ("wrn_40_2", "wrn_40_1")}


def get_config(arg=None):
    args = common.pair(arg, flags=("legacy",), experiment=0, epochs=240)
    common.experiment(args, PAIRS)
    config = common.alone(args, "vanilla", args.student)
    config.program, config.teacher.name = "double_student", args.teacher
    config.data.batch_size = 128
    config.loss.update({"gamma": 1.0, "alpha": 1.0, "beta": 0.8, "kd_temperature": 4.0})
    if "epochs" in args.given or not args.demo:
        config.train.epochs = args.epochs
    schedule(config)
    if args.demo:
        config.data.batch_size, config.method.crd.num_negatives = 64, 256
        config.method.proto.update({"num_clusters": (20, 30, 40), "num_negatives": 10, "start_epoch": 2})
        config.experiment.compare = True
        config.ds.ema_decay = 0.9  # of 0.99 a third is still the untrained start after 100 steps; a demo has 200
    if args.legacy:
        config.ds.legacy, config.optim.schedule.offset = True, 1
    return config


def schedule(config) -> None:
    """A cosine after a warm-up of 10 epochs, or of 5 in runs of 200 epochs or fewer (2 in a demo's 10)."""
    epochs = config.train.epochs
    warm = 10 if epochs > 200 else min(5, max(1, epochs // 5))
    config.optim.update({"momentum": 0.9, "weight_decay": 5e-4, "warmup_epochs": warm})
    config.optim.schedule.kind = "warmup_cosine"
