"""kdjax's side of the benchmarks: the compiled main stage of a run, as kdjax.main makes it, over random images."""
import importlib
import time

import jax
import numpy as np

from kdjax import models
from kdjax.data.types import Dataset, Split
from kdjax.device.placement import Placement
from kdjax.run.held import Held
from kdjax.run.plan import plan, stage_state
from kdjax.run.stage import Stage
from kdjax.tasks import distil

MEAN, STD, IMAGES, BATCH = (0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761), 50_000, 64


def random_data() -> Dataset:
    """As many images as CIFAR-100 has, of as many classes."""
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (IMAGES, 32, 32, 3), np.uint8), rng.integers(0, 100, IMAGES).astype(np.int32)
    return Dataset("random", Split(images, labels), Split(images[:1], labels[:1]), None, 100, 32, MEAN, STD)


class Side:
    """side(n): n steps of a method's published config, waited for. megabytes: XLA's own account of the compiled step:
    temporaries, arguments and outputs, less what is donated."""

    def __init__(self, method: str, teacher: str, student: str, data: Dataset):
        config = importlib.import_module(f"configs.{method}").get_config(f"teacher={teacher},student={student}")
        config.devices = 1
        teacher = models.build(teacher, num_classes=100, image_size=32)
        task, place = distil.build(config, data, {"teacher": teacher}), Placement(config)
        frozen, p = {"teacher": teacher.init(jax.random.key(1))}, plan(config, task, IMAGES)[-1]
        held = Held(data, frozen, place)
        stage = Stage(config, p, held, place, stage_state(config, task, p, data, frozen, None))
        stage.begin_epoch(1, fresh=False)
        self.state = stage.state
        self.rest = (held.frozen, held.train, stage.orders.held[0], place.put_wish(False), stage.given[0])
        self.step = stage.compiled.lower(self.state, *self.rest).compile()
        memory = self.step.memory_analysis()
        self.megabytes = (memory.temp_size_in_bytes + memory.argument_size_in_bytes + memory.output_size_in_bytes
                          - memory.alias_size_in_bytes) / 1e6

    def __call__(self, n: int) -> None:
        for _ in range(n):
            self.state, tick = self.step(self.state, *self.rest)
        tick.block_until_ready()


def timed(steps, n: int) -> float:
    """Seconds a step, over n steps."""
    began = time.perf_counter()
    steps(n)
    return (time.perf_counter() - began) / n
