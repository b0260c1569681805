"""What stays on the devices for a whole run: the images of every split, and the frozen networks."""
from __future__ import annotations

import functools

from kdjax.data.types import Dataset
from kdjax.device.placement import Placement


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
