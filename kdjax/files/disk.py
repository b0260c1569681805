"""What a disk does to us, in one sentence."""

import errno
import os
from pathlib import Path

from kdjax.errors import UserError

FULL = {errno.ENOSPC, errno.EDQUOT}


def explained(error: Exception, folder: str | os.PathLike, size: int, kept: str) -> Exception:
    """A UserError for a full or unwritable disk, whichever library met it; any other error as it is.

    size: the bytes that were to be written. kept: what is safe, for the end of the sentence.
    """
    codes, text = _causes(error)
    if codes & FULL or "No space left" in text or "quota exceeded" in text:
        return UserError(f"The disk of {folder} is full (a checkpoint needs about {size / 1e6:.1f} MB): free some "
                         f"space and run the same command again ({kept})")
    if codes or "Read-only file system" in text or "Permission denied" in text:
        return UserError(f"Cannot write a checkpoint in {folder} ({first_line(error)}): make the folder writable or "
                         f"choose another --workdir ({kept})")
    return error


def reserve(path: Path, size: int) -> None:
    """Raises OSError unless the disk has room for `size` more bytes at `path`, which is left as it was: absent."""
    with open(path, "xb") as file:
        try:
            os.posix_fallocate(file.fileno(), 0, max(size, 1))
        finally:
            path.unlink()


def first_line(error: BaseException) -> str:
    """The error in a few words."""
    return (getattr(error, "strerror", None) or str(error).strip() or type(error).__name__).splitlines()[0][:200]


def _causes(error: BaseException | None) -> tuple[set[int], str]:
    codes, text = set(), ""
    while error is not None:
        codes |= {error.errno} if isinstance(error, OSError) and error.errno else set()
        text += str(error)
        error = error.__cause__ or error.__context__
    return codes, text
