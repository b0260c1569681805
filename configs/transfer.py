"""Linear evaluation of a trained network, or fine-tuning: `python -m kdjax.transfer` runs this config.

    python -m kdjax.transfer runs/NAME --dataset cifar10                    # any checkpoint: a run, a folder, a .pth
    python -m kdjax.transfer data --dataset cifar10 -a resnet18 --start-eval 80 --lr 10 --pretrained FILE   # seed's
    python -m kdjax.transfer FILE --config configs/transfer.py:protocol=distillers --dataset stl10

protocol=lincls (i-Mix, DS-SRD; spec/self_supervised.md, 2.9): SGD 10 per 256 images, no decay, 100 epochs, rate x 0.2
at 80, 90, 95. protocol=distillers (spec/protocols.md, 5.2): SGD 0.05, decay 5e-4, batch 64, 120 epochs, x 0.1 at
30, 60, 90. Batch norm is frozen too; `--config.probe.bn_mode=train` lets it adapt, as `distillers` does.
"""
from configs import common
from kdjax.config import default
from kdjax.errors import UserError


def get_config(arg=None):
    args = common.parse(arg, protocol="lincls", checkpoint="", network="")
    config = default()
    config.program, config.seed, config.student.name = "probe", args.seed, ""
    config.student.checkpoint, config.probe.network = args.checkpoint, args.network
    config.data.dataset = args.dataset
    if args.protocol == "lincls":
        config.data.update({"batch_size": 256, "stats": "ssl"})
        config.train.epochs = 100
        config.optim.update({"lr": 10.0, "weight_decay": 0.0})
        config.optim.schedule.update({"kind": "pretext_step", "milestones": (80, 90, 95), "decay": 0.2})
    elif args.protocol == "distillers":
        config.data.drop_last = False
        config.train.epochs = 120
        config.optim.schedule.milestones = (30, 60, 90)
    else:
        raise UserError(f"there is no protocol {args.protocol!r}; take lincls or distillers")
    if args.demo:
        config.data.update({"dataset": "digits", "flip": False, "eval_batch_size": 120})
        config.train.epochs = 20
        config.optim.schedule.milestones = (16, 18, 19)
    return config
