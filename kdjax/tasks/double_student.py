"""DS-SRD's double student: a weak student learns from the running average of a strong one, which learns from labels."""
from __future__ import annotations

from collections.abc import Mapping

import jax

from kdjax import losses, methods, models
from kdjax.data import mixes, mixing, strong
from kdjax.errors import UserError
from kdjax.methods import adapters
from kdjax.methods.base import Method, feature_shape
from kdjax.step import ema
from kdjax.step.device_step import DTYPES
from kdjax.step.metrics import cross_entropy
from kdjax.step.nets import FRESH, Net, trained
from kdjax.step.state import TrainState
from kdjax.tasks.base import Evaluation, Task, View
from kdjax.tasks.distil import method_terms

LEGACY = {"optimize_strong": False, "teacher_init": "random", "ema_bn": "none", "strong_ce": "predictor",
          "lr_strong": 0.0}
FOLLOWED = {"copy": "copy", "ema": "ema", "none": "own"}  # config.ds.ema_bn -> what becomes of the statistics


class DoubleStudent(Task):
    """gamma CE(weak) + alpha S + kd_weight KD(weak, teacher) + beta methods, all in one step and one backward pass.

    The weak student sees the strong view x, the teacher the other one, x2; the strong student (an encoder and a
    predictor on its logits) sees mixup of x. S is its mixed cross-entropy, on the encoder's and the predictor's logits
    (their mean, or one of them: ds.strong_ce). After the optimizer's step the teacher moves towards the encoder.
    Methods compare the weak student's features on x with the teacher's on x2.

    The release (ds.legacy) leaves the strong student out of the optimizer, so that its teacher is the average of a
    network that never learns; starts the teacher elsewhere; and never fills the teacher's running statistics.
    """

    learner = "weak"

    def __init__(self, config, weak, strong, chosen: Mapping[str, Method], weights: Mapping[str, float],
                 views: Mapping[str, View]):
        self.options, self.loss, self.weights = options(config.ds), config.loss, weights
        classes, width = strong.num_classes, feature_shape(strong, "embedding")[0]
        source = FRESH if self.options.teacher_init == "random" else ""
        teacher = Net(strong, "ema", source, "strong", self.options.ema_decay, FOLLOWED[self.options.ema_bn],
                      statistics="running")
        super().__init__({"weak": trained(weak, config.student.checkpoint), "strong": trained(strong),
                          "predictor": trained(adapters.predictor(classes, width)), "teacher": teacher},
                         chosen, views)
        self.sight = {"student": ("weak", "x"), "teacher": ("teacher", "x2")}
        if self.options.lr_strong:
            self.rates = {"strong": self.options.lr_strong, "predictor": self.options.lr_strong}

    def trains(self, path):
        if path[0] in ("strong", "predictor") and not self.options.optimize_strong:
            return False
        return super().trains(path) and not (path[0] == "predictor" and self.options.strong_ce == "encoder")

    def draw(self, key, batch):
        ask = mixes.Ask(len(batch.labels), *batch.inputs["x"].shape[1:3])
        own = mixes.MODES["mixup"].draw(jax.random.fold_in(key, len(self.methods)), ask)
        return super().draw(key, batch) | {"mixup": own}

    def terms(self, ctx, memory):
        weak, teacher = ctx.student.logits, ctx.teacher.logits
        encoder, predictor = self.strong_logits(ctx)
        draws, labels = ctx.batch.draws["mixup"], ctx.labels
        terms = {"ce": cross_entropy(weak, labels).mean(),
                 "ce_encoder": mixed_cross_entropy(encoder, labels, draws["perm"], draws["lam"]),
                 "ce_predictor": mixed_cross_entropy(predictor, labels, draws["perm"], draws["lam"]),
                 "kd": losses.kl_divergence(weak, teacher, temperature=self.loss.kd_temperature)}
        share = {"both": (0.5, 0.5), "encoder": (1.0, 0.0), "predictor": (0.0, 1.0)}[self.options.strong_ce]
        weights = {"ce": self.loss.gamma, "ce_encoder": self.loss.alpha * share[0],
                   "ce_predictor": self.loss.alpha * share[1], "kd": self.options.kd_weight}
        own, scales, memory = method_terms(self, ctx, memory)
        return terms | own, weights | scales, memory

    def strong_logits(self, ctx):
        """(encoder's logits, predictor's logits) of the mixed images; both run in train mode, whatever is trained."""
        draws = ctx.batch.draws["mixup"]
        ctx.forward.show("mixed", mixing.mixup(ctx.batch.inputs["x"], draws["perm"], draws["lam"]))
        encoder = ctx.forward("strong", "mixed").logits
        ctx.forward.show("encoded", encoder)
        return encoder, ctx.forward("predictor", "encoded")

    def after_update(self, state: TrainState) -> TrainState:
        return ema.follow(state, self.nets)

    def evaluations(self):
        """The headline is the weak student; the strong encoder and the teacher are measured beside it."""
        of = lambda net: Evaluation(lambda look: look.accuracy(lambda ctx: ctx.forward(net).logits, "test"))
        return super().evaluations() | {net: of(net) for net in ("strong", "teacher")}


def build(config, data, teachers: Mapping) -> DoubleStudent:
    """The task of a config; its strong student is a fresh config.teacher.name, and no checkpoint is read."""
    if not config.teacher.name:
        raise UserError("the double student needs the strong student's network; set config.teacher.name")
    weak, big = (models.build(name, num_classes=data.num_classes, image_size=data.image_size)
                 for name in (config.student.name, config.teacher.name))
    chosen = methods.build(config, weak, big)
    check(config, chosen)
    how = config.data, data.mean, data.std, DTYPES[config.train.dtype]
    seen = {name: View(*strong.view(*how)) for name in ("x", "x2")}
    return DoubleStudent(config, weak, big, chosen, methods.chosen(config), seen)


def check(config, chosen: Mapping[str, Method]) -> None:
    """What belongs to ordinary distillation is refused rather than ignored."""
    idle = {"mix.mode": "", "mix.student_input": "", "kd.teacher_view": "same", "loss.kd_kind": "kl"}
    for field, plain in idle.items():
        block, _, name = field.partition(".")
        if config[block][name] != plain:
            raise UserError(f"config.{field}={config[block][name]!r} has no meaning for the double student, whose "
                            f"views and terms are its own; leave it at {plain!r}")
    for name, method in chosen.items():
        if asked := (*method.views, *method.followers):
            raise UserError(f"method {name!r} asks for further views or networks ({', '.join(asked)}), and the double "
                            f"student has its own; choose another method or reference")
        if method.stages:
            raise UserError(f"method {name!r} learns from the teacher before the main stage, and the double student's "
                            f"teacher has learnt nothing by then; choose another method")


def options(ds):
    """config.ds, with the release's values where `legacy` says so."""
    ds = ds.copy_and_resolve_references()
    if ds.legacy:
        ds.update(LEGACY)
    return ds


def mixed_cross_entropy(logits: jax.Array, labels: jax.Array, perm: jax.Array, lam) -> jax.Array:
    """lam CE(z, y) + (1 - lam) CE(z, y[perm]), a scalar; lam [] or [B]."""
    return (lam * cross_entropy(logits, labels) + (1 - lam) * cross_entropy(logits, labels[perm])).mean()
