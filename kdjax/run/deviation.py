"""How much a teacher's mean probabilities vary under an augmentation, without training: lower is the better one."""
from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from kdjax import tasks
from kdjax.data import order, picking, source
from kdjax.errors import UserError
from kdjax.run import normalising, teachers
from kdjax.step.context import Batch, Context, Passes
from kdjax.step.random import stream

STEPS = 5  # whose probabilities make one vector


def deviation(config, epochs: int = 10) -> dict:
    """{"mode", "deviation", "entropy", "vectors"} of config.teacher under config.mix (Good-DA-in-KD's diagnostic).

    A vector is the mean of the teacher's probabilities (temperature 1) on the images x of five steps and on the mixed
    x' made of them. deviation: over all vectors of `epochs` epochs, the unbiased standard deviation of each class, its
    mean over the classes. entropy: mean over the images, in nats. Raises UserError for mixing that is not the
    teacher's alone, and where there are fewer than two vectors.
    """
    data = source.load(normalising.data_fields(config), config.seed)
    networks, variables = teachers.load(config, data)
    task = tasks.build(config, data, networks)
    check(task)
    look, images, batch = looking(task), jnp.asarray(data.train.images), config.data.batch_size
    rows, labels = [], jnp.asarray(data.train.labels)
    for epoch in range(1, epochs + 1):
        for index in order.epoch_order(config.seed, epoch, len(labels), batch):
            key = stream(config.seed, "deviation", len(rows))
            rows.append(look(variables, images[index], labels[index], key, jnp.float32(epoch)))
    means, entropies = (np.asarray(each) for each in zip(*rows)) if rows else ((), ())
    return {"mode": config.mix.mode or "none"} | spread(means, entropies)


def spread(means, entropies) -> dict:
    """The figures of the steps' mean probabilities [S, C] and mean entropies [S]; the last S % 5 steps are left out."""
    count = len(means) // STEPS
    if count < 2:
        raise UserError(f"{len(means)} steps are too few for a deviation; give more epochs, or a smaller "
                        f"config.data.batch_size")
    vectors = np.mean(np.reshape(means[:count * STEPS], (count, STEPS, -1)), axis=1)
    return {"deviation": float(np.mean(np.std(vectors, axis=0, ddof=1))),
            "entropy": float(np.mean(entropies[:count * STEPS])), "vectors": count}


def check(task) -> None:
    """Raises UserError for a task without a teacher, and for x' that a student takes part in."""
    mixer = getattr(task, "mixer", None)
    if "teacher" not in task.nets:
        raise UserError("the deviation is a teacher's; choose a config that has one, such as configs/ds_srd_aug.py")
    if mixer and mixer.name == "manifold_mixup":
        raise UserError("manifold_mixup mixes inside the student, so that the teacher sees no mixed image; choose "
                        "another config.mix.mode")
    if mixer and mixer.picks and "student" in picking.needs(mixer.options.criterion):
        raise UserError(f"config.mix.criterion={mixer.options.criterion} looks at a student, and here is none; use "
                        f"teacher_entropy or dissimilarity")


def looking(task):
    """(variables, raw images, labels, key, epoch) -> (mean probabilities [C], mean entropy) on x and x', compiled."""
    mixer = task.mixer if task.mixer and task.mixer.options.mode else None

    @jax.jit
    def look(variables, images, labels, key, epoch):
        seen, mixing = jax.random.split(key)
        batch = Batch({"x": task.views["x"].apply(images, task.views["x"].draw(seen, len(images)))}, labels,
                      epoch=epoch)
        passes = Passes(task.nets, variables, batch, lambda net: False, task.ensembles)
        logits = [passes("teacher").logits]
        if mixer:
            draws = {name: value for name, value in mixer.draw(mixing, batch).items() if name != "damage"}
            mixer.make(Context(passes, batch, {}, passes.head), draws)
            logits.append(passes("teacher", "mixed").logits)
        entropy = [picking.entropy(each).mean() for each in logits]
        return jnp.mean(jnp.stack([jax.nn.softmax(each).mean(0) for each in logits]), 0), jnp.mean(jnp.stack(entropy))
    return look
