"""One run folder, one writer."""

import contextlib
import fcntl
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from kdjax.errors import UserError


@contextlib.contextmanager
def run_lock(folder: str | os.PathLike) -> Iterator[None]:
    """Holds <folder>/.lock (made with its folder if need be); a second holder, in any process, gets a UserError.

    The kernel frees the lock when its holder ends, however it ends; the file stays and means nothing by itself.
    Also raises UserError when the folder cannot be written. In a multi-process run only process 0 takes it.
    """
    path = Path(folder) / ".lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise UserError(f"Cannot write in the run folder {folder} ({error.strerror}): make it writable or choose "
                        "another --workdir") from error
    try:
        _take(descriptor, folder)
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int, folder: str | os.PathLike) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, 200, 0).decode(errors="replace").strip() or "unknown"
        raise UserError(f"The run folder {folder} is in use by process {holder}: wait until it ends, stop it, or "
                        "choose another --workdir") from None
    except OSError as error:
        raise UserError(f"The file system of {folder} cannot lock files ({error.strerror}): choose a --workdir on "
                        "another disk") from error
    with contextlib.suppress(OSError):  # the name is a courtesy; a full disk must not stop a run from resuming
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()} on {socket.gethostname()}\n".encode(), 0)
