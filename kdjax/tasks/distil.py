"""Ordinary distillation: one student, frozen teachers, any methods: gamma CE + alpha KL + beta methods."""
from __future__ import annotations

from collections.abc import Mapping

import jax

from kdjax import losses, methods, models
from kdjax.data import randaugment, strong, views
from kdjax.errors import UserError
from kdjax.methods.base import Method
from kdjax.step import ema
from kdjax.step.device_step import DTYPES
from kdjax.step.metrics import cross_entropy
from kdjax.step.nets import Net, frozen, trained
from kdjax.step.objective import prefixed
from kdjax.tasks.base import Task, View
from kdjax.tasks.mixed import Mixer

VIEWS = {"strong": strong.view, "randaugment": randaugment.strong}  # what methods may ask for besides "x"


class Distil(Task):
    """The objective of every release: config.loss and the weighted terms of config.method.

    teachers: {"teacher": network, "teacher2": ...}; several are averaged in probability, features are the first one's.
    """

    def __init__(self, config, student, teachers: Mapping, methods: Mapping[str, Method], weights: Mapping[str, float],
                 views: Mapping[str, View], mixer: Mixer | None = None):
        held = {name: frozen(net, statistics=config.teacher.batch_stats) for name, net in teachers.items()}
        super().__init__({"student": trained(student, config.student.checkpoint), **held}, methods, views)
        self.nets |= followers(methods, self.nets)
        self.loss, self.weights, self.mixer, self.ce_share = config.loss, weights, mixer, config.mix.ce_share
        if config.kd.teacher_view == "other":
            self.sight["teacher"] = ("teacher", "strong")
        if mixer and mixer.damages:
            self.sight["student"] = ("student", "damaged")
        if len(teachers) > 1:
            self.ensembles = {"teacher": (tuple(teachers), config.loss.kd_temperature)}

    def terms(self, ctx, memory):
        if self.mixer:
            self.mixer.damage(ctx)
        count = max(1, int(self.ce_share * len(ctx.labels)))
        terms = {"ce": cross_entropy(ctx.student.logits[:count], ctx.labels[:count]).mean()}
        weights = {"ce": self.loss.gamma}
        # A KL that nobody weighs could still poison the sum with a NaN.
        if "teacher" in self.nets and self.loss.alpha and self.loss.kd_kind == "kl":
            terms["kl"] = losses.kl_divergence(ctx.student.logits, ctx.teacher.logits,
                                               temperature=self.loss.kd_temperature)
            weights["kl"] = self.loss.alpha * (self.mixer.options.weights[0] if self.mixer else 1.0)
        if self.mixer:
            mixed, shares = self.mixer.terms(ctx)
            terms, weights = terms | mixed, weights | {k: self.loss.alpha * v for k, v in shares.items()}
        own, scales, memory = method_terms(self, ctx, memory)
        return terms | own, weights | scales, memory

    def draw(self, key, batch):
        own = {"mix": self.mixer.draw(jax.random.fold_in(key, len(self.methods)), batch)} if self.mixer else {}
        return super().draw(key, batch) | own

    def after_update(self, state):
        return ema.follow(state, self.nets)

    def predict(self, ctx):
        """The logits of what is deployed: the first method's that adds something to the student, else the student's."""
        for name, method in self.methods.items():
            if type(method).predict is not Method.predict:
                return method.predict(ctx.of(name))
        return ctx.student.logits


def build(config, data, teachers: Mapping) -> Distil:
    """The task of a config. data: a Dataset (its classes, image size, statistics). teachers: {"teacher": Network, ...},
    empty for methods without one. Raises UserError for a pair that a method cannot serve."""
    student = models.build(config.student.name, num_classes=data.num_classes, image_size=data.image_size)
    chosen = methods.build(config, student, teachers.get("teacher"))
    seen = lambda make: View(*make(config.data, data.mean, data.std, DTYPES[config.train.dtype]))
    asked = {view: _maker(name, view) for name, method in chosen.items() for view in method.views}
    asked |= {"strong": strong.view} if config.kd.teacher_view == "other" else {}
    if config.mix.mode and not teachers:
        raise UserError(f"config.mix.mode={config.mix.mode!r} compares student and teacher on mixed images, and there "
                        f"is no teacher; choose a method that has one, such as kd")
    mixer = Mixer(config, data) if config.mix.mode or config.mix.student_input else None
    shown = {"x": seen(views.crop_flip), **{view: seen(make) for view, make in asked.items()}}
    return Distil(config, student, teachers, chosen, methods.chosen(config), shown, mixer)


def _maker(method: str, view: str):
    """What makes a view that a method asks for."""
    if view not in VIEWS:
        raise UserError(f"method {method!r} asks for a view {view!r}; known are 'x' and {', '.join(map(repr, VIEWS))}")
    return VIEWS[view]


def method_terms(task, ctx, memory: dict) -> tuple[dict, dict, dict]:
    """(terms, weights, memory) of all of a task's methods, as its `loss.beta` and `weights` scale them."""
    terms, weights, memory = {}, {}, dict(memory)
    for name, method in task.methods.items():
        own, memory[name] = method.loss(ctx.of(name), memory[name])
        terms |= prefixed(name, own)
        scale = task.weights[name] * (task.loss.beta if method.own_weight is None else method.own_weight)
        weights |= prefixed(name, {term: scale * method.term_weights.get(term, 1.0) for term in own})
    return terms, weights, memory


def followers(methods: Mapping[str, Method], nets: Mapping[str, Net]) -> dict[str, Net]:
    """The further networks that methods ask for, each the average of one of `nets`."""
    asked = {name: how for method in methods.values() for name, how in method.followers.items()}
    return {name: Net(nets[how["follows"]].network, "ema", statistics="running", **how) for name, how in asked.items()}
