"""Where a run's numbers go besides its own file: TensorBoard's files, and Weights & Biases (an extra)."""
from __future__ import annotations

import hashlib
from pathlib import Path

from kdjax.device import processes
from kdjax.run.resume import plain


class TensorBoard:
    """Event files in a run's folder, begun with the first number."""

    def __init__(self, folder: Path):
        self.folder, self.writer = folder, None

    def record(self, kind: str, step: int, numbers: dict) -> None:
        """numbers: {name: int or float}, under `kind/name`."""
        if self.writer is None:
            from tensorboardX import SummaryWriter
            self.writer = SummaryWriter(str(self.folder), flush_secs=10)
        for name, value in numbers.items():
            self.writer.add_scalar(f"{kind}/{name}", value, step)

    def close(self) -> None:
        """Flushes."""
        if self.writer is not None:
            self.writer.close()


class Wandb:
    """A run of Weights & Biases in the project that config.log.wandb names; WANDB_MODE=offline keeps it in the folder.

    Its identity comes from the folder, so that a run that is continued continues there too.
    """

    def __init__(self, config, folder: Path):
        self.config, self.folder, self.run = config, folder, None

    def begin(self) -> None:
        """Opens the run, with the first number."""
        import wandb
        own = hashlib.sha256(str(self.folder.resolve()).encode()).hexdigest()[:16]
        self.run = wandb.init(project=self.config.log.wandb, name=self.folder.name, id=own, resume="allow",
                              dir=str(self.folder), config=plain(self.config))
        self.run.define_metric("*", step_metric="step")

    def record(self, kind: str, step: int, numbers: dict) -> None:
        """See `TensorBoard.record`."""
        if self.run is None:
            self.begin()
        self.run.log({"step": step, **{f"{kind}/{name}": value for name, value in numbers.items()}})

    def close(self) -> None:
        """Sends what is left."""
        if self.run is not None:
            self.run.finish()


def of(config, folder: Path) -> list:
    """The boards that a config asks for; none in processes other than the first."""
    if not processes.is_first():
        return []
    return [*([TensorBoard(folder / "tensorboard")] if config.log.tensorboard else []),
            *([Wandb(config, folder)] if config.log.wandb else [])]
