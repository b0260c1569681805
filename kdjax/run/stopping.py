"""How a run notices that it must end early: signals, and numbers that went wrong."""
from __future__ import annotations

import signal
import threading
from collections.abc import Mapping

import numpy as np

from kdjax.errors import Diverged, Stopped, StoppedEarly

LOWER = "Lower config.optim.lr or the term's weight in a new --workdir"


class StopSignal:
    """Notes SIGTERM, SIGINT and SIGUSR1 while it is entered; a second SIGINT interrupts at once.

    patient: the caller looks at `requested` and saves; otherwise the signal raises StoppedEarly where it arrives.
    """

    SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)

    def __init__(self, patient: bool = True):
        self.requested, self.name, self.patient, self._old = False, "", patient, {}

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            self._old = {s: signal.signal(s, self._note) for s in self.SIGNALS}
        return self

    def __exit__(self, *_):
        for number, handler in self._old.items():
            signal.signal(number, handler)

    def heed(self, folder) -> None:
        """Raises Stopped for a signal that came too late to stop a run, so that what would follow it does not start."""
        if self.requested:
            raise Stopped(self.name, folder)

    def _note(self, number, _frame):
        if self.requested and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.requested, self.name = True, signal.Signals(number).name
        if not self.patient:
            raise StoppedEarly(self.name)


def advice(skips: bool) -> str:
    """What to do about numbers that went wrong. skips: config.train.on_nan=skip is set already."""
    if skips:
        return f"config.train.on_nan=skip cannot help: no step of the epoch was good, or the state is spoilt. {LOWER}."
    return (f"{LOWER}, or continue here with config.train.on_nan=skip, which leaves such steps out and counts them.")


def diverged(metrics: dict, stage: str, offset: int, last_good: int | None, skips: bool = False) -> Diverged:
    """The error that names step, terms and the last good checkpoint, from the counters of an epoch that went wrong."""
    guilty = [n for n, bad in metrics["bad"].items() if bool(bad)]
    named = [n for n in guilty if n not in ("total", "gradient")] or guilty
    step = offset + int(metrics["bad_step"]) + 1
    return Diverged(f"step {step} ({stage}): {', '.join(named)} is not finite; {kept(last_good)}. "
                    f"{advice(skips)}")


def check_state(state: Mapping, step: int, stage: str, last_good: int | None, skips: bool = False,
                prefix: str = "") -> None:
    """Raises Diverged naming the first array of a state (nested dicts of host arrays) that is not finite."""
    for name, value in state.items():
        if isinstance(value, Mapping):
            check_state(value, step, stage, last_good, skips, f"{prefix}{name}/")
        elif not np.isfinite(value).all():
            raise Diverged(f"step {step} ({stage}): {prefix}{name} is not finite; {kept(last_good)}. {advice(skips)}")


def kept(last_good: int | None) -> str:
    """What is safe, for the end of a sentence."""
    return f"checkpoint {last_good} is the last good one" if last_good is not None else "there is no checkpoint yet"
