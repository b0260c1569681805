"""What stays on the devices for a whole run: the images of every split, and the frozen networks."""
from __future__ import annotations

import functools

import jax

from kdjax.data.types import Dataset
from kdjax.device.placement import Placement
from kdjax.errors import UserError


def check_room(data: Dataset, devices: list) -> None:
    """Refuses a data set that is larger than a device's memory: every device holds all of it. Devices that do not tell
    their memory, such as CPUs, and those of other processes, are not asked."""
    need = sum(x.nbytes for split in (data.train, data.test, data.valid) for x in jax.tree.leaves(split))
    own = [d for d in devices if d.process_index == jax.process_index()]
    told = [stats["bytes_limit"] for d in own if (stats := d.memory_stats()) and "bytes_limit" in stats]
    if told and need > min(told):
        raise UserError(f"{data.name} takes {need / 1e9:.1f} GB, more than the {min(told) / 1e9:.1f} GB of a device, "
                        "which holds all of it; use smaller images (data.image_size), fewer (data.per_class, "
                        "data.class_ratio), or a device with more memory")


class Held:
    """Each part is put there when it is first asked for, and once. `train` and `frozen` have the form that compiled
    steps take; `splits` and `seen` the form of evaluations, which is the same but under pmap."""

    def __init__(self, data: Dataset, frozen: dict, place: Placement):
        self.data, self.host, self.place, self._splits = data, frozen, place, {}

    @functools.cached_property
    def train(self) -> dict:
        """{"images", "labels"} of the training set, for steps."""
        return self.place.put_state(self.data.train._asdict())

    @functools.cached_property
    def frozen(self) -> dict:
        """{net: variables}, for steps."""
        return self.place.put_state(self.host)

    @functools.cached_property
    def seen(self) -> dict:
        """{net: variables}, for evaluations."""
        return self.frozen if self.place.mode == "jit" else self.place.put(self.host)

    def split(self, name: str) -> dict:
        """{"images", "labels"} of "train", "test" or "valid", for evaluations."""
        if name == "train" and self.place.mode == "jit":
            return self.train
        if name not in self._splits:
            self._splits[name] = self.place.put(getattr(self.data, name)._asdict())
        return self._splits[name]
