"""A stage of a small run on random images, for the tests of what is computed before its steps."""
import jax
import numpy as np

from kdjax import models
from kdjax.config import default
from kdjax.data.types import Dataset, Split
from kdjax.device.placement import Placement
from kdjax.run.held import Held
from kdjax.run.plan import plan, stage_state
from kdjax.run.stage import Stage
from kdjax.tasks import distil

SIZE, CLASSES, IMAGES, BATCH = 8, 4, 44, 8
NETS = {name: models.build(name, num_classes=CLASSES, image_size=SIZE) for name in ("wrn_10_1", "resnet8")}
TEACHER = NETS["resnet8"].init(jax.random.key(7))


def images():
    r = np.random.default_rng(0)
    split = Split(r.integers(0, 256, (IMAGES, SIZE, SIZE, 3), np.uint8), np.arange(IMAGES, dtype=np.int32) % CLASSES)
    return Dataset("random", split, split, None, CLASSES, SIZE, (0.5, 0.4, 0.3), (0.2, 0.25, 0.3))


DATA = images()


def config(cache, where, *names, seed=0, **data):
    c = default()
    c.student.name, c.method.names, c.seed = "wrn_10_1", names, seed
    c.loss.alpha, c.optim.lr, c.teacher.cache, c.train.epochs = 0.9, 0.05, cache, 2
    c.data.update({"batch_size": BATCH, "crop": 2, "cache_dir": str(where)} | data)
    return c


def staged(c, number=-1, teacher=TEACHER):
    task, place, frozen = distil.build(c, DATA, {"teacher": NETS["resnet8"]}), Placement(c), {"teacher": teacher}
    p = plan(c, task, IMAGES)[number]
    return Stage(c, p, Held(DATA, frozen, place), place, stage_state(c, task, p, DATA, frozen, None))


def trained(c, epochs=2):
    """The parameters after so many epochs, and the stage."""
    stage = staged(c)
    wish = stage.place.put_wish(False)
    for epoch in range(1, epochs + 1):
        stage.begin_epoch(epoch, fresh=True)
        for _ in range(stage.plan.steps_per_epoch):
            stage.dispatch(wish)
    return jax.tree.leaves(stage.place.get(stage.state._replace(metrics={}))), stage


def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
