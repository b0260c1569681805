"""The ways a run ends early: a polite stop, and numbers that went wrong."""
from __future__ import annotations

import signal
import threading

EXIT_STOPPED = 75  # EX_TEMPFAIL: run the same command to continue
EXIT_FAILED = 1


class Stopped(Exception):
    """The run saved itself and left after a signal."""

    def __init__(self, name: str, folder, step: int):
        super().__init__(f"stopped by {name} after step {step}; saved in {folder}. The same command continues.")


class Diverged(Exception):
    """A loss or a gradient is no longer finite."""


class StopSignal:
    """Notes SIGTERM, SIGINT and SIGUSR1 while it is entered; a second SIGINT interrupts at once."""

    SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)

    def __init__(self):
        self.requested, self.name, self._old = False, "", {}

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            self._old = {s: signal.signal(s, self._note) for s in self.SIGNALS}
        return self

    def __exit__(self, *_):
        for number, handler in self._old.items():
            signal.signal(number, handler)

    def _note(self, number, _frame):
        if self.requested and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.requested, self.name = True, signal.Signals(number).name


def check_finite(metrics: dict, stage: str, offset: int, last_good: int | None) -> None:
    """Raises Diverged naming step, terms and the last good checkpoint, from an epoch's counters."""
    if int(metrics["bad_step"]) < 0:
        return
    guilty = [n for n, bad in metrics["bad"].items() if bool(bad)]
    named = [n for n in guilty if n not in ("total", "gradient")] or guilty
    kept = f"checkpoint {last_good} is the last good one" if last_good is not None else "there is no checkpoint yet"
    step = offset + int(metrics["bad_step"]) + 1
    raise Diverged(f"step {step} ({stage}): {', '.join(named)} is not finite; {kept}. Lower config.optim.lr or the "
                   f"term's weight, or set config.train.on_nan=skip to leave such steps out.")
