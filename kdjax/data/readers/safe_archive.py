"""Files out of a .tar.gz from strangers, in memory: nothing is ever written, linked or expanded beyond a limit."""

import gzip
import os
import tarfile
import zlib
from pathlib import PurePosixPath

from kdjax.errors import UserError

MAX_TOTAL = 512 << 20  # decompressed; the CIFAR archives hold 186 MB
MAX_MEMBERS = 1000


def read_tar(path: str | os.PathLike, wanted: tuple[str, ...], most: int | None = None) -> dict[str, bytes]:
    """The contents of the files of these names (the last part of their path) in a .tar.gz: {name: bytes}.

    Raises UserError for an archive that is damaged, lacks one of them, has it twice, decompresses to more than
    `most` bytes (default: MAX_TOTAL) or MAX_MEMBERS members, or has any member that is a link, a device, or a path
    outside of its folder.
    """
    found: dict[str, bytes] = {}
    try:
        with gzip.open(path, "rb") as stream:
            # "r|" only ever moves forward, so neither a negative size nor a false offset can make it loop.
            limited = _Limited(stream, path, most or MAX_TOTAL)
            archive = tarfile.open(fileobj=limited, mode="r|", bufsize=1 << 20)  # noqa: SIM115
            for number, member in enumerate(archive):
                _refuse_hostile(member, number, path)
                name = PurePosixPath(member.name).name
                if member.isfile() and name in wanted:
                    if name in found:
                        raise UserError(f"{path} holds {name} twice: get the official archive")
                    found[name] = archive.extractfile(member).read()
    except (tarfile.TarError, OSError, EOFError, zlib.error, ValueError, ArithmeticError, LookupError) as error:
        raise UserError(f"{path} is not a whole .tar.gz archive: delete it and get it again") from error
    missing = [name for name in wanted if name not in found]
    if missing:
        raise UserError(f"{path} lacks {', '.join(missing)}: get the official archive")
    return found


class _Limited:
    """A stream that gives no more than `most` bytes."""

    def __init__(self, stream, path, most: int):
        self.stream, self.path, self.most, self.left = stream, path, most, most

    def read(self, size: int) -> bytes:
        data = self.stream.read(size)
        self.left -= len(data)
        if self.left < 0:
            raise UserError(f"{self.path} decompresses to more than {self.most >> 20} MiB, a decompression bomb: "
                            "delete it")
        return data


def _refuse_hostile(member: tarfile.TarInfo, number: int, path) -> None:
    parts = PurePosixPath(member.name.replace("\\", "/"))
    if parts.is_absolute() or ".." in parts.parts or ":" in parts.parts[:1]:
        raise UserError(f"{path} holds {member.name!r}, a path outside of its folder: delete this archive")
    if not (member.isfile() or member.isdir()):
        raise UserError(f"{path} holds {member.name!r}, a link or device: delete this archive")
    if number >= MAX_MEMBERS:
        raise UserError(f"{path} holds more than {MAX_MEMBERS} files: get the official archive")
