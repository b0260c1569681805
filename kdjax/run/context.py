"""What a run holds on to between its stages."""
from __future__ import annotations

import dataclasses
import functools
import time
from pathlib import Path

from ml_collections import ConfigDict

from kdjax.data.types import Dataset
from kdjax.device.placement import Placement
from kdjax.run.checkpoints import RunCheckpoints
from kdjax.run.held import Held
from kdjax.run.log import RunLog
from kdjax.run.stopping import StopSignal
from kdjax.tasks import Task


@dataclasses.dataclass
class Run:
    """A prepared run. frozen: {net: variables} of the task's frozen networks, on the host. history: what a run
    remembers of itself, kept in every checkpoint (`result.no_history`). prints: `fingerprints.of` what it learns from.
    """

    config: ConfigDict
    folder: Path
    data: Dataset
    task: Task
    frozen: dict
    place: Placement
    log: RunLog
    stop: StopSignal
    checkpoints: RunCheckpoints
    history: dict
    prints: dict
    began: float = dataclasses.field(default_factory=time.perf_counter)

    @property
    def seconds(self) -> float:
        """Of wall clock that went into training, evaluations and saves, those before a resume included."""
        return time.perf_counter() - self.began

    @functools.cached_property
    def held(self) -> Held:
        """The data and the frozen networks on the devices, put there once."""
        return Held(self.data, self.frozen, self.place)
