"""What the self-supervised configs share: i-Mix's protocol (spec/self_supervised.md, 2.7), network names, the demo."""
from configs import common
from kdjax.config import default
from kdjax.errors import UserError
from kdjax.models.encoder import ARCHS
from kdjax.step.pretext_schedules import warm_up

IMIX = ("none", "imixup", "icutmix")
TINY = "imix_basic_1_1_1_1_w8"


def encoder(name: str, channels: int = 3, large_stem: bool = False) -> str:
    """The originals' name of an encoder as kdjax's; other names stay."""
    if name not in ARCHS:
        return name
    return f"imix_{name}{'_1ch' * (channels == 1)}{'_largestem' * large_stem}"


def experiment(args, known: dict) -> None:
    """`experiment=cifar10_byol_imixup` puts its settings where nothing else was given."""
    if not args.experiment:
        return
    if args.experiment not in known:
        raise UserError(f"there is no experiment {args.experiment!r}; take one of {', '.join(known)}")
    args.__dict__.update({k: v for k, v in known[args.experiment].items() if k not in args.given})


def pretext(args, epochs: int, batch: int = 256, lr: float = 0.125):
    """SGD 0.125 per 256 images, momentum 0.9, decay 1e-4, cosine with warm-up; EMA 0.999; the method's own heads."""
    config = default()
    config.program, config.seed, config.student.name = "pretext", args.seed, args.student
    config.data.update({"dataset": args.dataset, "batch_size": batch, "stats": "ssl"})
    config.train.epochs = epochs
    warm = min(warm_up(epochs, batch, True), epochs - 1)
    config.optim.update({"lr": lr, "weight_decay": 1e-4, "warmup_epochs": warm})
    config.optim.schedule.update({"kind": "pretext_cosine", "milestones": ()})
    method = "mocon" if args.method == "moco" and args.imix != "none" else args.method
    config.ssl.update({"method": method, "imix": args.imix})
    config.ssl.pred = "mlpbn1" if method == "byol" else "none"
    config.checkpoint.every_epochs = 1 if epochs <= 200 else 10
    config.ssl.probe_every = 1 if epochs <= 50 else 10
    return config


def demo(config, epochs: int = 10, batch: int = 128):
    """A minute's worth on a few hundred examples."""
    config.train.epochs = epochs
    config.optim.warmup_epochs = 1
    config.data.update({"batch_size": batch, "flip": False, "eval_batch_size": 120})
    config.ssl.update({"queue_size": 4 * batch, "probe_epochs": 30, "probe_every": 1, "ema": 0.99})
    config.ssl.crd.num_negatives = 256
    config.log.every_steps = 10
    config.checkpoint.every_epochs = 1
    return config


def parse(arg, **defaults):
    """`common.parse` with what every self-supervised config takes."""
    return common.parse(arg, experiment="", method="byol", imix="imixup", **defaults)
