"""kdjax's side of the benchmarks: the compiled main stage of a run, as kdjax.main makes it, over random images.

    python benchmarks/side.py METHOD --pair A/B [--given]      reads "n", answers seconds a step

--given: the teacher's outputs come from a filled cache.
"""
import argparse
import collections
import contextlib
import importlib
import pathlib
import sys
import time
import unittest.mock

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from kdjax.device import start

if __name__ == "__main__":
    start.begin()

import jax
import numpy as np

from benchmarks.talk import serve
from kdjax import models, tasks
from kdjax.config.override import assign
from kdjax.data.types import Dataset, Split
from kdjax.device import compiled
from kdjax.device.placement import Placement
from kdjax.run.held import Held
from kdjax.run.plan import plan, stage_state
from kdjax.run.stage import Stage
from kdjax.step.context import Passes

MEAN, STD, IMAGES, BATCH = (0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761), 50_000, 64


def random_data(images: int = IMAGES, classes: int = 100) -> Dataset:
    """As many images as CIFAR-100 has, of as many classes."""
    rng = np.random.default_rng(0)
    train = Split(rng.integers(0, 256, (images, 32, 32, 3), np.uint8), np.arange(images, dtype=np.int32) % classes)
    return Dataset("random", train, Split(train.images[:1], train.labels[:1]), None, classes, 32, MEAN, STD)


class Side:
    """side(n): n steps of a method's published config, waited for. method: its config, `NAME` or `NAME:ARGUMENTS`.
    megabytes: XLA's own account of the compiled step: temporaries, arguments and outputs, less what is donated. passes:
    {net: images that it is shown in a step}. changes: {"data.batch_size": 128, ...}. devices: 0 as many as a run takes.
    """

    def __init__(self, method: str, teacher: str, student: str, data: Dataset, devices: int = 1, given: bool = False,
                 **changes):
        name, _, more = method.partition(":")
        argument = ",".join(filter(None, (f"teacher={teacher},student={student}", more)))
        config = importlib.import_module(f"configs.{name}").get_config(argument)
        config.devices, config.teacher.cache = devices, "memory" if given else "off"
        for name, value in changes.items():
            assign(config, name, value)
        images = len(data.train.labels)
        teacher = models.build(teacher, num_classes=data.num_classes, image_size=32)
        nets = {"teacher": teacher} if config.program in tasks.TAUGHT else {}
        task, place = tasks.build(config, data, nets), Placement(config, images)
        frozen = {name: net.init(jax.random.key(1)) for name, net in nets.items()}
        p = plan(config, task, images)[-1]
        held = Held(data, frozen, place)
        stage = Stage(config, p, held, place, stage_state(config, task, p, data, frozen, None))
        stage.begin_epoch(1, fresh=False)
        self.state, self.devices = stage.state, len(place.devices)
        self.rest = (held.frozen, held.train, stage.orders.held[0], place.put_wish(False), stage.given[0])
        with counted() as self.passes:
            lowered = stage.compiled.lower(self.state, *self.rest)
        self.step = lowered.compile()
        memory = self.step.memory_analysis()
        self.megabytes = (memory.temp_size_in_bytes + memory.argument_size_in_bytes + memory.output_size_in_bytes
                          - memory.alias_size_in_bytes) / 1e6

    def __call__(self, n: int) -> None:
        for _ in range(n):
            self.state, tick = self.step(self.state, *self.rest)
        tick.block_until_ready()


@contextlib.contextmanager
def counted():
    """{net: images shown to it} in the step that is traced inside."""
    shown, run = collections.Counter(), Passes._run
    def counting(self, net, view, train):
        shown[net] += len(self.inputs[view])
        return run(self, net, view, train)
    with unittest.mock.patch.object(Passes, "_run", counting):
        yield shown


def timed(steps, n: int) -> float:
    """Seconds a step, over n steps."""
    began = time.perf_counter()
    steps(n)
    return (time.perf_counter() - began) / n


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("method")
    parser.add_argument("--pair", default="wrn_40_2/wrn_16_2")
    parser.add_argument("--images", type=int, default=IMAGES)
    parser.add_argument("--given", action="store_true")
    args = parser.parse_args()
    compiled.install()
    side = Side(args.method, *args.pair.split("/"), random_data(args.images), devices=0, given=args.given)
    serve(lambda n: timed(side, n))


if __name__ == "__main__":
    main()
