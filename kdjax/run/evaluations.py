"""A run's evaluations: its teacher before the first step, its student after every epoch."""
from __future__ import annotations

import jax.numpy as jnp

from kdjax import evaluate
from kdjax.errors import UserError
from kdjax.step import device_step as epoch_step
from kdjax.step.update import predict


def teacher_accuracy(this) -> dict | None:
    """The first teacher on the test set; refuses one that is no better than chance. this: a train.Run."""
    if not this.teachers:
        return None
    data, teacher = this.data, this.teachers[0]
    logits = lambda v, x: teacher.apply(v, x, train=False)[0].logits
    step = evaluate.scorer(logits, data.mean, data.std, eval_dtype(this.config))
    got = scored(this, step, this.place.put(this.teacher_variables[0]), this.place.put(data.test._asdict()))
    this.log.say(f"teacher {teacher.name}: top-1 {got['top1']:.2f}  top-5 {got['top5']:.2f}")
    least = this.config.teacher.min_accuracy
    least = 200 / data.num_classes if least is None else least
    if got["top1"] < least:
        raise UserError(f"teacher {teacher.name} reaches {got['top1']:.2f}% on {data.name}, below "
                        f"config.teacher.min_accuracy={least:g}; check its checkpoint, config.data.dataset and "
                        f"config.data.stats")
    return got


def scorer(this, task):
    """(state, check) -> {"test_top1": ...}: evaluation of what is deployed, on every held-out split."""
    place, data = this.place, this.data
    step = evaluate.scorer(lambda v, x: predict(task, v[0], v[1], x), data.mean, data.std, eval_dtype(this.config))
    splits = {"test": data.test} | ({"valid": data.valid} if data.valid is not None else {})
    held = {name: place.put(split._asdict()) for name, split in splits.items()}
    frozen = place.put(this.teacher_variables)

    def score(state, check):
        own = place.one({k: state[k] for k in ("params", "batch_stats")})
        row = {}
        for name, split in held.items():
            got = scored(this, step, (own, frozen), split, check)
            row |= {f"{name}_{k}": v for k, v in got.items() if k != "count"}
        return row

    return score


def eval_dtype(config):
    """What images are evaluated in: float32, or float64 where that is trained in."""
    return jnp.promote_types(epoch_step.DTYPES[config.train.dtype], jnp.float32)


def scored(this, step, variables, data: dict, check=lambda: None) -> dict:
    """`evaluate.score` on all devices; variables and data are there already."""
    size = this.place.eval_batch(this.config.data.eval_batch_size, len(data["labels"]))
    return evaluate.score(step, variables, data, size, lambda x: this.place.put(x, this.place.stacked), check)
