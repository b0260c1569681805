"""Three steps of the pretext task, of DS-SRD's programs and of mixing on 1, 2 and 4 forced devices, in float64.

Prints {program: {devices: largest difference to one device}} for test_programs.py; most on 1 and 4, for the time.
"""
import json

import jax
import numpy as np

from kdjax import models, tasks
from kdjax.config import default
from kdjax.config.override import assign
from kdjax.data.types import Dataset, Split
from kdjax.device.placement import Placement
from kdjax.run.held import Held
from kdjax.run.plan import plan, stage_state
from kdjax.run.stage import Stage

CLASSES, IMAGES, BATCH, STEPS = 4, 32, 16, 3
LABELS = np.arange(IMAGES, dtype=np.int32) % CLASSES
CRD = {"ssl.crd.num_negatives": 6, "method.crd.num_negatives": 6, "method.feat_dim": 8}
PROTO = {"method.proto.num_clusters": (5, 6), "method.proto.num_negatives": 3, "method.proto.start_epoch": 1}
TABLE = {"student.name": "ssl_mlp3_w1_plain", "ssl.queue_size": 2 * BATCH, "ssl.dim": 8} | CRD
JOINT = TABLE | {"program": "pretext", "ssl.strong": "imix_mlp5_w1_plain"}
IMAGE = {"student.name": "wrn_10_1", "teacher.name": "wrn_10_1", "data.crop": 2, "optim.lr": 0.02} | CRD
PROGRAMS = {
    "byol, CRD": JOINT | {"ssl.method": "byol"},
    "mocon, InfoNCE, both ways": JOINT | {"ssl.method": "mocon", "ssl.pred": "none", "ssl.sym": True},
    "npair": TABLE | {"program": "pretext", "ssl.method": "npair", "ssl.pred": "none"},
    "double student, CRD": IMAGE | {"program": "double_student", "method.names": ("crd",)},
    "mixing, prototypes": IMAGE | PROTO | {"method.names": ("proto",), "mix.mode": "cutmix_pick",
                                           "mix.criterion": "teacher_entropy"},
}


def configured(fields: dict, devices: int):
    config = default()
    config.data.batch_size, config.devices = BATCH, devices
    config.train.update({"epochs": 2, "dtype": "float64"})
    for name, value in fields.items():
        assign(config, name, value)
    return config


def data(table: bool) -> Dataset:
    rng = np.random.default_rng(0)
    if table:
        split = Split(rng.normal(size=(IMAGES, 6)).astype(np.float32), LABELS)
        return Dataset("table", split, split, None, CLASSES, 6, (0.0,), (1.0,), 6)
    split = Split(rng.integers(0, 256, (IMAGES, 8, 8, 3), np.uint8), LABELS)
    return Dataset("random", split, split, None, CLASSES, 8, (0.5, 0.4, 0.3), (0.2, 0.25, 0.3))


def trained(fields: dict, devices: int):
    """The states before and after STEPS steps, as flat lists of arrays."""
    config, held = configured(fields, devices), data(fields["student.name"].startswith("ssl"))
    nets = {}
    if config.program in tasks.TAUGHT:
        nets["teacher"] = models.build(config.teacher.name, num_classes=CLASSES, image_size=8)
    frozen = {name: net.init(jax.random.key(7)) for name, net in nets.items()}
    task, place = tasks.build(config, held, nets), Placement(config)
    p = plan(config, task, IMAGES)[-1]
    start = stage_state(config, task, p, held, frozen, None)
    stage, wish = Stage(config, p, Held(held, frozen, place), place, start), place.put_wish(False)
    for i in range(STEPS):
        if i % p.steps_per_epoch == 0:
            stage.begin_epoch(i // p.steps_per_epoch + 1, fresh=False)
        stage.dispatch(wish)
    return start, place.get(stage.state)


def far(one, other) -> float:
    """The largest difference of two states, relative to each array's largest entry (at least 1)."""
    pairs = zip(*(jax.tree.leaves(state._replace(step=None, opt=(), metrics={})) for state in (one, other)))
    return max(float(np.abs(np.subtract(a, b, dtype=float)).max() / max(1.0, np.abs(b).max()))
               for a, b in pairs if a.size)


def main():
    found = {}
    for name, fields in PROGRAMS.items():
        counts = (2, 4) if name == "byol, CRD" else (4,)
        start, one = trained(fields, 1)
        only = lambda state: state._replace(memory={}, stats={}, ema={})
        found[name] = {"moved": far(only(one), only(start))} | {n: far(trained(fields, n)[1], one) for n in counts}
    print(json.dumps(found))


if __name__ == "__main__":
    with jax.enable_x64(True):
        main()
