"""A classifier on a trained network: linear evaluation with everything else frozen, or fine-tuning.

Sources: spec/self_supervised.md, 2.9 (i-Mix, DS-SRD); spec/protocols.md, 5.2 (`distillers`).
"""
from __future__ import annotations

from collections.abc import Mapping

import jax.numpy as jnp

from kdjax import models
from kdjax.data import views
from kdjax.errors import UserError
from kdjax.models import heads
from kdjax.step.device_step import DTYPES
from kdjax.step.metrics import cross_entropy
from kdjax.step.nets import Net
from kdjax.tasks.base import Evaluation, Task, View


class Probe(Task):
    """Cross-entropy of one network. finetune: all of it is trained, else its classifier. bn_mode: of a frozen network's
    batch norms; "eval" leaves them as they are, "train" lets them adapt to the new images, as `distillers` does.
    start_eval: the first epoch (from 0) after which the test set is looked at; the last always is."""

    def __init__(self, network, source: str, shown: View, *, finetune: bool = False, bn_mode: str = "eval",
                 start_eval: int = 0, splits: tuple[str, ...] = ("test", "valid")):
        statistics = "batch" if finetune or bn_mode == "train" else "running"
        super().__init__({"student": Net(network, "trained", source, statistics=statistics)}, {}, {"x": shown})
        self.finetune, self.start_eval, self.splits = finetune, start_eval, splits

    def trains(self, path):
        return self.finetune or path[1] in heads.CLASSIFIERS

    def terms(self, ctx, memory):
        return {"ce": cross_entropy(ctx.student.logits, ctx.labels).mean()}, {"ce": 1.0}, memory

    def evaluations(self):
        def measure(look, split):
            return look.accuracy(self.predict, split) if look.epoch > self.start_eval else {}
        return {split: Evaluation(lambda look, split=split: measure(look, split)) for split in self.splits}


def build(config, data, teachers: Mapping) -> Probe:
    """The probe of a config. teachers: {"backbone": the checkpoint's Network}."""
    found, p, o = teachers["backbone"], config.probe, config.data
    if found.input_shape != tuple(data.train.images.shape[1:]):
        raise UserError(f"{found.name} takes inputs of shape {found.input_shape}, {data.name} has "
                        f"{tuple(data.train.images.shape[1:])}; set data.image_size, or use other data")
    suffix = heads.SUFFIX.fullmatch(found.name)
    name = suffix[1] if suffix else found.name
    network = models.build(name, num_classes=data.num_classes, image_size=data.image_size)
    dtype = DTYPES[config.train.dtype]
    images = len(network.input_shape) == 3 and (o.crop or o.flip)
    shown = View(*views.crop_flip(o, data.mean, data.std, dtype)) if images else View(
        lambda key, n: jnp.zeros(n, bool), lambda x, _: views.normalize(x, data.mean, data.std, dtype))
    return Probe(network, config.student.checkpoint, shown, finetune=p.finetune, bn_mode=p.bn_mode,
                 start_eval=min(p.start_eval, config.train.epochs - 1))
