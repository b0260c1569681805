"""What a person sees of a run: on a terminal a live line and a table that grows by a row an epoch, else plain lines."""
from __future__ import annotations

import dataclasses
import itertools
import sys
import time

from kdjax.run.text import clock, named

HIDDEN = ("images_per_second", "lr", "train_gradient_norm")  # numbers of an epoch's record that nobody watches
KEPT = ("epoch", "test_top1", "train_top1", "train_total", "seconds")  # columns that a narrow terminal keeps, in order
GAP = 2


@dataclasses.dataclass(frozen=True)
class Progress:
    """Where a stage stands. top1: of the epoch's training views so far, in percent, where there are labels. rate:
    images/s. left: seconds."""

    stage: str
    epoch: int
    epochs: int
    step: int
    steps: int
    terms: dict
    top1: float | None
    rate: float
    left: float

    def plain(self) -> str:
        """For a file."""
        return (f"{self.stage} epoch {self.epoch}/{self.epochs} step {self.step}/{self.steps}  {named(self.terms)}  "
                f"{self.rate:.0f} images/s  {clock(self.left)} left")

    def live(self, width: int) -> tuple[str, int, str]:
        """(before the bar, the bar's width, behind it) for a terminal: what is least asked for goes first."""
        head, tail = f"{self.stage} {self.epoch}/{self.epochs}", f"{clock(self.left)} left"
        bar = max(min(width // 5, 24), 6)
        room = width - len(head) - bar - len(tail) - 2 * GAP
        first = [f"{self.rate:.0f} images/s", *([] if self.top1 is None else [f"top-1 {self.top1:.1f}"])]
        shown = fitting([*first, *(named({k: v}) for k, v in self.terms.items())], room)
        return head, bar, (" " * GAP).join([*shown[len(first):], *reversed(shown[:len(first)]), tail])


def fitting(pieces: list[str], room: int) -> list[str]:
    """The first pieces, as many as fit, each with its gap."""
    ends = itertools.accumulate(len(piece) + GAP for piece in pieces)
    return [piece for piece, end in zip(pieces, ends) if end <= room]


class Plain:
    """Short lines without colours, for files and pipes."""

    live = False

    def say(self, text: str) -> None:
        """A line."""
        print(text, flush=True)

    def progress(self, at: Progress, logged: bool) -> None:
        """Where the stage stands; logged: at the cadence of the log."""
        if logged:
            self.say(at.plain())

    def epoch(self, row: dict, epochs: int) -> None:
        """One finished epoch."""
        self.say(f"{row['stage']} epoch {row['epoch']}/{epochs}  {named(watched(row))}")

    def due(self) -> bool:
        """Whether a live line is a second old."""
        return False

    def close(self) -> None:
        """Leaves nothing on the screen that is not true any more."""


class Silent(Plain):
    """For processes other than the first."""

    def say(self, text: str) -> None:
        """Nothing."""


class Terminal(Plain):
    """The live line (rich) below a table whose columns are chosen by the width when a stage begins."""

    live = True

    def __init__(self, console=None):
        from rich.console import Console
        self.console, self.line = console or Console(highlight=False), None
        self.columns, self.stage, self.looked = [], "", 0.0

    def say(self, text: str) -> None:
        """Text as it is, above the live line."""
        self.console.print(text, markup=False, soft_wrap=True)

    def progress(self, at: Progress, logged: bool) -> None:
        """Draws the live line anew."""
        from rich.live import Live
        if self.line is None:
            self.line = Live(console=self.console, auto_refresh=False, transient=True)
            self.line.start()
        self.line.update(drawn(at, self.console.width), refresh=True)

    def epoch(self, row: dict, epochs: int) -> None:
        """A row of the table; a head above the first one of a stage."""
        if row["stage"] != self.stage:
            self.stage, self.columns = row["stage"], columns(row, epochs, self.console.width)
            self.console.print(cells({name: title for name, title, _ in self.columns}, self.columns), style="bold",
                               markup=False, no_wrap=True)
        texts = {"epoch": f"{row['epoch']}/{epochs}", **{k: f"{v:.2f}" if "top" in k else f"{v:.3f}"
                                                         for k, v in watched(row).items()}}
        texts["seconds"] = clock(row["seconds"])
        self.console.print(cells(texts, self.columns), markup=False, no_wrap=True)

    def due(self) -> bool:
        """See `Plain.due`."""
        late = time.monotonic() - self.looked > 1
        self.looked = time.monotonic() if late else self.looked
        return late

    def close(self) -> None:
        """Takes the live line away."""
        if self.line is not None:
            self.line.stop()
            self.line = None


def screen(quiet: bool) -> Plain:
    """The screen of this process."""
    if quiet:
        return Silent()
    return Terminal() if sys.stdout.isatty() else Plain()


def watched(row: dict) -> dict:
    """The numbers of an epoch's record that a person watches."""
    return {k: v for k, v in row.items()
            if isinstance(v, float) and k not in HIDDEN and not k.startswith("train_weighted_")}


def columns(row: dict, epochs: int, width: int) -> list[tuple[str, str, int]]:
    """[(key, title, width)] of a table of such rows: `KEPT` first, then the others in the record's order, as many as
    fit; shown in the record's order."""
    names = ["epoch", *watched(row)]
    ranked = [*(k for k in KEPT if k in names), *(k for k in names if k not in KEPT)]
    sizes = {k: max(len(titled(k, row)), 2 * len(str(epochs)) + 1 if k == "epoch" else 7) for k in names}
    shown, room = set(), width
    for name in ranked:
        if sizes[name] + GAP <= room + GAP * (not shown):
            shown.add(name)
            room -= sizes[name] + GAP * (len(shown) > 1)
    return [(k, titled(k, row), sizes[k]) for k in names if k in shown]


def titled(key: str, row: dict) -> str:
    """A column's title: a training term by its own name, and the stage's name over the epochs."""
    plain = {"epoch": row["stage"], "train_top1": "train", "test_top1": "test", "test_top5": "top-5", "seconds": "time"}
    return plain.get(key, key.removeprefix("train_").replace("_top1", "").replace("_", " "))


def cells(texts: dict, shown: list[tuple[str, str, int]]) -> str:
    """One line of the table; a number that is not there is blank."""
    return (" " * GAP).join(texts.get(name, "").rjust(size) for name, _, size in shown)


def drawn(at: Progress, width: int):
    """The live line for rich."""
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    head, bar, tail = at.live(width)
    grid = Table.grid(padding=(0, GAP, 0, 0), pad_edge=False)
    for _ in range(3):
        grid.add_column(no_wrap=True)
    grid.add_row(head, ProgressBar(total=at.steps, completed=at.step, width=bar), tail)
    return grid
