"""Ordinary distillation: one student, frozen teachers, any methods: gamma CE + alpha KL + beta methods."""
from __future__ import annotations

from collections.abc import Mapping

from kdjax import losses, methods, models
from kdjax.data import randaugment, views
from kdjax.errors import UserError
from kdjax.methods.base import Method
from kdjax.step.device_step import DTYPES
from kdjax.step.metrics import cross_entropy
from kdjax.step.nets import frozen, trained
from kdjax.step.objective import prefixed
from kdjax.tasks.base import Task, View

VIEWS = {"strong": randaugment.strong}  # what methods may ask for besides "x"


class Distil(Task):
    """The objective of every release: config.loss and the weighted terms of config.method.

    teachers: {"teacher": network, "teacher2": ...}; several are averaged in probability, features are the first one's.
    """

    def __init__(self, config, student, teachers: Mapping, methods: Mapping[str, Method], weights: Mapping[str, float],
                 views: Mapping[str, View]):
        held = {name: frozen(net, statistics=config.teacher.batch_stats) for name, net in teachers.items()}
        super().__init__({"student": trained(student, config.student.checkpoint), **held}, methods, views)
        self.loss, self.weights = config.loss, weights
        if len(teachers) > 1:
            self.ensembles = {"teacher": (tuple(teachers), config.loss.kd_temperature)}

    def terms(self, ctx, memory):
        terms, weights = {"ce": cross_entropy(ctx.student.logits, ctx.labels).mean()}, {"ce": self.loss.gamma}
        if "teacher" in self.nets and self.loss.alpha:  # a KL that nobody weighs could still poison the sum with a NaN
            terms["kl"] = losses.kl_divergence(ctx.student.logits, ctx.teacher.logits,
                                               temperature=self.loss.kd_temperature)
            weights["kl"] = self.loss.alpha
        memory = dict(memory)
        for name, method in self.methods.items():
            own, memory[name] = method.loss(ctx.of(name), memory[name])
            terms |= prefixed(name, own)
            scale = self.loss.beta * self.weights[name]
            weights |= prefixed(name, {term: scale * method.term_weights.get(term, 1.0) for term in own})
        return terms, weights, memory

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
    more = {view: seen(_maker(name, view)) for name, method in chosen.items() for view in method.views}
    return Distil(config, student, teachers, chosen, methods.chosen(config), {"x": seen(views.crop_flip), **more})


def _maker(method: str, view: str):
    """What makes a view that a method asks for."""
    if view not in VIEWS:
        raise UserError(f"method {method!r} asks for a view {view!r}; known are 'x' and {', '.join(map(repr, VIEWS))}")
    return VIEWS[view]
