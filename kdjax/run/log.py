"""What a run says and writes: the screen, metrics.jsonl, the boards."""
from __future__ import annotations

import json
import math
import time
import warnings
from collections.abc import Sequence
from pathlib import Path

from kdjax.files.atomic import atomic_write_text
from kdjax.run.screen import screen


class RunLog:
    """Writes a run's records. boards: of `boards.of`. quiet (processes other than the first): writes and says nothing.
    """

    def __init__(self, folder: Path, boards: Sequence = (), quiet: bool = False):
        self.folder, self.quiet, self.path = folder, quiet, folder / "metrics.jsonl"
        self.screen = screen(quiet)
        self.boards = boards

    def say(self, text: str = "") -> None:
        """A line for the person."""
        self.screen.say(text)

    def rewind(self, step: int, epochs: dict) -> None:
        """Drops what a resumed run is about to write again: records after `step`, epochs after those that `epochs`
        ({stage: the last one}) knows, and a half-written last line. Warns of records that should be there and are not.
        """
        if self.quiet:
            return
        lines = self.path.read_text(errors="replace").splitlines() if self.path.exists() else []
        kept = [line for line in lines if _known(line, step, epochs)]
        if lines != kept:
            atomic_write_text(self.path, "".join(line + "\n" for line in kept))
        if lost := missing(kept, epochs):
            warnings.warn(f"{self.path} has lost records: {lost}. The run itself has lost nothing and continues; its "
                          "curves begin where the records do.", stacklevel=2)

    def record(self, kind: str, step: int, values: dict) -> None:
        """One line of metrics.jsonl, and its numbers to the boards."""
        if self.quiet:
            return
        with self.path.open("a") as f:
            told = {"kind": kind, "step": step, **{k: _number(v) for k, v in values.items()}}
            f.write(json.dumps(told | {"time": round(time.time(), 3)}) + "\n")
        numbers = {name: value for name, value in values.items() if isinstance(value, (int, float))}
        for board in self.boards:
            board.record(kind, step, numbers)

    def close(self) -> None:
        """Flushes the boards and leaves the screen tidy."""
        self.screen.close()
        for board in self.boards:
            board.close()


def _known(line: str, step: int, epochs: dict) -> bool:
    try:
        record = json.loads(line)
        again = record["kind"] == "epoch" and record["epoch"] > epochs.get(record["stage"], 0)
        return record["step"] <= step and not again
    except (ValueError, KeyError, TypeError, RecursionError):
        return False


def missing(lines: list[str], epochs: dict) -> str:
    """`epochs 1-3, 7 of main`: what a run remembers ({stage: the last epoch}) and its records lack; "" for nothing."""
    rows = [row for row in map(json.loads, lines) if row["kind"] == "epoch"]
    there = {(row["stage"], row["epoch"]) for row in rows}
    lost = {stage: [n for n in range(1, last + 1) if (stage, n) not in there] for stage, last in epochs.items()}
    return "; ".join(f"epochs {_runs(numbers)} of {stage}" for stage, numbers in lost.items() if numbers)


def _runs(numbers: list[int]) -> str:
    """`1-3, 7` of rising numbers."""
    starts = [n for n in numbers if n - 1 not in numbers]
    ends = [n for n in numbers if n + 1 not in numbers]
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in zip(starts, ends))


def _number(value):
    """JSON has no NaN and no infinity: null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


class Speed:
    """Images per second of training, without the first step of an epoch (it may compile), evaluations and saves."""

    def __init__(self, images: int = 0, seconds: float = 0.0):
        self.images, self.seconds = images, seconds
        self._since, self._at = None, 0

    def mark(self, images: int) -> None:
        """Call after each wait for the device with the images trained so far in this epoch."""
        now = time.perf_counter()
        if self._since is not None:
            self.seconds, self.images = self.seconds + now - self._since, self.images + images - self._at
        self._since, self._at = now, images

    def pause(self) -> None:
        """What follows (an evaluation, a save) is not training."""
        self._since = None

    @property
    def rate(self) -> float:
        """Images per second."""
        return self.images / self.seconds if self.seconds else 0.0
