"""Every method for two epochs on CIFAR-10: do the scales of its terms, its rates and its memories fit real images?

    kdjax sweep runs/scales --sweep configs/sweeps/scales.py:teacher=FILE --config.data.dir=DIR --jobs 2
    kdjax report runs/scales

A smoke test, not a result: a method that ends far below vanilla is to be looked into (ttm, mlkd, nkd, wttm:
docs/methods.md). teacher: any checkpoint of a network for CIFAR-10; stats: what its images are normalised with
(imagenet). Student resnet20, a constant rate, one epoch for every pre-stage and before prototypes are looked for;
semckd with a quarter of its published weight, which diverges within 50 steps here (in PyTorch within 13); the runs
share the teacher's outputs (teacher.cache).
"""
from kdjax.errors import UserError
from kdjax.methods import METHODS

PRE_STAGES = ("ab", "ft", "fsp")


def get_sweep(arg=None):
    """arg: teacher=FILE[,stats=NAME]."""
    given = dict(part.partition("=")[::2] for part in filter(None, (arg or "").split(",")))
    if set(given) - {"teacher", "stats"} or not given.get("teacher"):
        raise UserError("scales.py takes teacher=FILE and, as needed, stats=NAME, as its head shows")
    fields = {"train.epochs": 2, "optim.schedule.milestones": "()", "data.stats": given.get("stats", "imagenet"),
              "teacher.cache": "disk", "teacher.min_accuracy": 0}
    return {"methods": tuple(METHODS), "pairs": ((given["teacher"], "resnet20"),), "datasets": ("cifar10",),
            "fields": fields, "of": {**{name: {"train.init_epochs": 1} for name in PRE_STAGES},
                                     "proto": {"method.proto.start_epoch": 2}, "semckd": {"loss.beta": 100.0}}}
