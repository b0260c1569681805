"""A pretext task from a config: its networks by role, its heads, its memories, its views, what is measured."""
from __future__ import annotations

from collections.abc import Callable, Mapping

from kdjax import models
from kdjax.data import two_views
from kdjax.errors import UserError
from kdjax.methods import adapters
from kdjax.methods.base import feature_shape
from kdjax.models import heads
from kdjax.models.network import Functional
from kdjax.step.device_step import DTYPES
from kdjax.step.nets import Net, frozen, trained
from kdjax.step.pretext_schedules import ema_decay
from kdjax.tasks import measures
from kdjax.tasks.base import View
from kdjax.tasks.passes import HAS_QUEUE, HAS_TARGET, Options
from kdjax.tasks.pretext import Draws, Memory, Pieces, Pretext

TARGET = "target"


def build(config, data, teachers: Mapping) -> Pretext:
    """The task of a config. teachers: {"target": Network} for a frozen teacher, else empty. Raises UserError."""
    s = config.ssl
    check(config, data, bool(teachers))
    nets, options = networks(config, data, teachers), chosen(config, bool(teachers))
    learner = "weak" if "weak" in nets else "online"
    measured = {"test": measures.neighbours(learner, data.num_classes, s.probe_every)}
    if {"weak", "online"} <= set(nets):
        measured["strong"] = measures.neighbours("online", data.num_classes, s.probe_every)
    if s.probe_epochs:
        measured["linear"] = measures.linear(learner, data.num_classes, s.probe_epochs, s.probe_lr, config.seed)
    own = pieces(config, nets, options)
    return Pretext(nets, own, views(config, data), decay(config, data), s.sym_compat, measured)


def chosen(config, given: bool) -> Options:
    """The options of a pass. given: whether the teacher is a frozen one."""
    s = config.ssl
    weak = "none" if not (s.strong or given) else s.weak_loss
    if weak == "auto":
        weak = "crd" if s.method == "byol" else "infonce"
    return Options(s.method, s.imix, tuple(s.mix_layers), s.temperature, s.pred != "none", weak, not given, s.beta,
                   s.crd.temperature, s.crd.momentum)


def networks(config, data, teachers: Mapping) -> dict[str, Net]:
    """{"online", "target", "weak"} as far as the program has them; heads on all of which something is asked."""
    s, given = config.ssl, "target" in teachers
    options, nets = chosen(config, given), {}
    head = lambda name, kind: heads.grouped(models.build(f"{name}_{kind}", num_classes=s.dim,
                                                         image_size=data.image_size), s.bn_groups)
    if not given:
        nets["online"] = trained(head(s.strong or config.student.name, s.proj),
                                 "" if s.strong else config.student.checkpoint)
    if given:
        nets[TARGET] = frozen(teachers["target"], statistics=config.teacher.batch_stats)
    elif s.method in HAS_TARGET:
        nets[TARGET] = Net(nets["online"].network, "ema", follows="online", followed="own")
    if options.weak != "none":
        width = nets[TARGET].network.num_classes if given else s.dim
        kind = heads.FEATURES if options.weak == "crd" else "mlpbn1"
        weak = models.build(f"{config.student.name}_{kind}", num_classes=width, image_size=data.image_size)
        nets["weak"] = trained(heads.grouped(weak, s.bn_groups), config.student.checkpoint)
    return nets


def pieces(config, nets: Mapping[str, Net], options: Options) -> Pieces:
    """Predictor, embeddings, and how the memories start."""
    s, found = config.ssl, {}
    width = lambda net: feature_shape(nets[net].network, "embedding")[0]
    if options.predictor and options.strong:
        hidden = width("online")
        found["predictor"] = heads.grouped(Functional(
            lambda rngs: heads.head(s.pred, s.dim, hidden, s.dim, rngs=rngs)), s.bn_groups)
    crd = options.weak == "crd"
    if crd:
        found["embed_s"] = adapters.unit_linear(width("weak"), config.method.feat_dim)
        found["embed_t"] = adapters.unit_linear(width(TARGET if TARGET in nets else "online"), config.method.feat_dim)
    keys = nets[TARGET].network.num_classes if TARGET in nets else s.dim
    draws = Draws(1 + s.sym, s.imix_alpha, s.inputmix, s.inputmix_alpha, s.crd.num_negatives if crd else 0,
                  s.crd.negatives, s.shuffle and s.bn_groups > 1 and TARGET in nets)
    memory = Memory(s.queue_size if s.method in HAS_QUEUE else 0, keys, config.method.feat_dim if crd else 0)
    return Pieces(options, draws, memory, found, s.crd.train_embed)


def decay(config, data) -> Callable:
    """step -> what the target keeps."""
    steps = config.train.steps or config.train.epochs * (len(data.train.labels) // config.data.batch_size)
    return ema_decay(config.ssl.ema, config.ssl.ema_schedule, steps)


def views(config, data) -> dict[str, View]:
    """Two independent views of the same distribution."""
    s, dtype = config.ssl, DTYPES[config.train.dtype]
    shape = data.train.images.shape[1:]
    if len(shape) == 1:
        view = View(*two_views.table(data.numbers or shape[0], s.input_drop, dtype))
    elif hasattr(data.train, "raw"):
        view = View(*two_views.versions(data.train.raw.shape[1], dtype))
    else:
        augment = s.augment and shape[-1] == 3
        view = View(*two_views.images(shape[:2], data.mean, data.std, dtype, config.data.flip, augment))
    return {"x": view, "x2": view}


def check(config, data, given: bool) -> None:
    """Refuses what cannot be computed."""
    s, batch = config.ssl, config.data.batch_size
    if given and s.strong:
        raise UserError("config.teacher.checkpoint is a frozen teacher and config.ssl.strong a network that would make "
                        "another; set one of them")
    if s.method == "moco" and s.imix != "none":
        raise UserError("config.ssl.method=moco has no keys of the batch to mix with; use mocon, or ssl.imix=none")
    if s.imix == "icutmix" and data.train.images.ndim < 4:
        raise UserError(f"{data.name} has rows, not images, from which no box can be cut; use ssl.imix=imixup")
    if batch % s.bn_groups:
        raise UserError(f"config.data.batch_size={batch} does not divide into config.ssl.bn_groups={s.bn_groups}")
    if s.method in HAS_QUEUE and s.queue_size < batch * (1 + s.sym):
        raise UserError(f"config.ssl.queue_size={s.queue_size} is smaller than the {batch * (1 + s.sym)} keys of a "
                        "step; raise it")
    if not config.data.drop_last:
        raise UserError("a pretext task takes whole batches only; set config.data.drop_last=True")
