"""Several processes as one run: how they meet, let the first one write, agree to stop, and leave when one is lost.

All run the same program on the same shared folder and reach every collective in the same order. What only process 0 can
know (a lock, a file, a disk) reaches the others through `first`; a signal reaches them through `Vote`.
"""
from __future__ import annotations

import contextlib
import os
import re
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from typing import TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils

from kdjax.errors import EXIT_FAILED, EXIT_STOPPED, Diverged, Stopped, StoppedEarly, UserError

T = TypeVar("T")
HEARTBEAT = 30  # seconds without a sign of life before JAX ends the processes that wait for a lost one
SHUTDOWN = 60  # seconds that a finished process waits for the others
ELSEWHERE = "a signal to another process"
GRACE = 2  # seconds by which process 0, the coordinator, leaves later: without it JAX aborts the others in mid-sentence
PEER = re.compile(r"gloo|nccl|peer|socket|coordination|connection|heartbeat|unavailable|deadline", re.IGNORECASE)


def start(config) -> None:
    """Joins the other processes of a run, if there are any: config.distributed, or SLURM's variables inside `srun`.

    Raises UserError when the given values cannot describe a run.
    """
    d = config.distributed
    slurm = int(os.environ.get("SLURM_NTASKS", "1")) > 1 and "SLURM_STEP_NODELIST" in os.environ
    if not (d.coordinator or slurm) or jax.distributed.is_initialized():
        return
    if d.coordinator and d.num_processes and not 0 <= d.process_id < d.num_processes:
        raise UserError(f"config.distributed.process_id={d.process_id} must lie in 0 .. {d.num_processes - 1}, "
                        f"another one in every process")
    jax.config.update("jax_enable_preemption_service", False)  # its SIGTERM handler would swallow the signal
    try:
        jax.distributed.initialize(
            d.coordinator or None, d.num_processes or None, d.process_id if d.process_id >= 0 else None,
            heartbeat_timeout_seconds=HEARTBEAT, shutdown_timeout_seconds=SHUTDOWN)
    except (ValueError, RuntimeError) as error:
        raise UserError(f"the processes of config.distributed could not meet ({_line(error)}); give every process "
                        f"the same coordinator=HOST:PORT and num_processes, and its own process_id") from None
    multihost_utils.sync_global_devices("start")  # while all are awake: Gloo gives the first collective 30 seconds


def is_first() -> bool:
    """Whether this process writes files and speaks."""
    return jax.process_index() == 0


def say(text: str) -> None:
    """A line for the person, from the first process."""
    if is_first():
        print(text, flush=True)


def first(action: Callable[[], T]) -> T | None:
    """action() in process 0 while the others wait: its value there, None elsewhere. A failure raises everywhere."""
    if jax.process_count() == 1:
        return action()
    value, failure = None, None
    if is_first():
        try:
            value = action()
        except Exception as error:  # raised below, after the others know
            failure = error
    good = multihost_utils.broadcast_one_to_all(np.asarray(failure is None))
    if failure is not None:
        raise failure
    if not bool(good):
        raise UserError("process 0 cannot go on; its message says why")
    return value


def in_turn(action: Callable[[], T]) -> T:
    """action() in process 0, which may download or fill a cache, and then in the others."""
    value = first(action)
    return value if is_first() else action()


@contextlib.contextmanager
def held_by_first(make: Callable[[], contextlib.AbstractContextManager]) -> Iterator[None]:
    """make() entered in process 0 alone, for all."""
    with contextlib.ExitStack() as stack:
        first(lambda: stack.enter_context(make()))
        yield


def share_signal(signal) -> None:
    """Makes a stop that any process has been asked for known to all; every process calls it at the same point."""
    if jax.process_count() > 1 and multihost_utils.process_allgather(np.asarray(signal.requested)).any():
        signal.requested, signal.name = True, signal.name or ELSEWHERE


class Vote:
    """Whether the run stops, decided at the same step by all processes although a signal may have reached only one.

    Alone: at once. Among several: each one's wish is an input of the step, the step returns whether any wished, and all
    read that of the same step. So a wish costs no wait of its own; nobody stops inside an evaluation.
    """

    def __init__(self, place, signal):
        self.place, self.signal, self.alone = place, signal, jax.process_count() == 1
        self._agreed, self._wish, self._ballot = False, False, place.put_wish(False)

    def ballot(self):
        """This step's wishes, on the devices; sent anew only when this process's changes."""
        if not self.alone and self.signal.requested and not self._wish:
            self._wish, self._ballot = True, self.place.put_wish(True)
        return self._ballot

    def hear(self, tick) -> None:
        """Waits for an earlier step and takes note of its vote."""
        self._agreed |= bool(self.place.get(tick))

    @property
    def stop(self) -> bool:
        """Whether to save and leave now."""
        return self.signal.requested if self.alone else self._agreed

    @property
    def name(self) -> str:
        """The signal's name, for the person."""
        return self.signal.name or ELSEWHERE


@contextlib.contextmanager
def joined(config) -> Iterator[None]:
    """The body of one process of a run. When only this one fails, it says so and leaves at once: an ordinary exit would
    wait for the others, which wait for this one. What all agree on (a stop, a divergence) passes through."""
    start(config)
    try:
        yield
    except (Stopped, Diverged):
        raise
    except BaseException as error:
        if jax.process_count() == 1:
            raise
        leave(error)


def leave(error: BaseException) -> None:
    """Says what happened and ends this process, whatever the others do; they then end by the lost connection."""
    statuses = {UserError: 2, StoppedEarly: EXIT_STOPPED, KeyboardInterrupt: 130, BaseException: EXIT_FAILED}
    status = next(code for kind, code in statuses.items() if isinstance(error, kind))
    if isinstance(error, (ValueError, RuntimeError)) and PEER.search(str(error)):
        print(f"error: another process of this run ended or cannot be reached ({_line(error)}); its own message says "
              f"why. The last checkpoint is kept: start all processes again to continue.", file=sys.stderr)
    elif isinstance(error, (UserError, KeyboardInterrupt)):
        print(f"error: {error}" if str(error) else "interrupted", file=sys.stderr)
    else:
        traceback.print_exception(error)
    sys.stdout.flush()
    sys.stderr.flush()
    if is_first():
        time.sleep(GRACE)
    os._exit(status)


def _line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
