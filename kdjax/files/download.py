"""Fetch one file over http(s): resume, time out, show progress, check digests, and never leave half a file."""

import fcntl
import hashlib
import http.client
import json
import os
import pathlib
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

from kdjax.errors import UserError

CHUNK = 1 << 18
ATTEMPTS = 3
PAUSE = 0.5  # seconds, times the attempts so far


def download(
    url: str, path, *, md5: str | None = None, sha256: str | None = None, timeout: float = 30, progress: bool = True
) -> pathlib.Path:
    """Download `url` to `path` and return the path.

    A file already at `path` is kept when its digest agrees (or none is given). Bytes gather in `<name>.part` beside
    it, which a later call continues (HTTP Range, guarded by the server's ETag, date and size) and which takes the
    final name only when it is complete and its digest agrees. `timeout`: seconds without a byte. `progress`: one line
    on stderr, on terminals only. Raises UserError when the server cannot be reached, stalls, stops early, sends a web
    page, or sends other bytes.
    """
    path = pathlib.Path(path)
    if path.is_file() and _wrong_digest(path, md5, sha256) is None:
        return path
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise UserError(f"{url}: only http and https addresses can be downloaded; give one of those.")
    path.parent.mkdir(parents=True, exist_ok=True)
    part = Part(path.with_name(path.name + ".part"))
    with part.file:
        _fill(url, part, timeout, Progress(path.name, progress))
        wrong = _wrong_digest(part.path, md5, sha256)
        if wrong:
            part.discard()
            raise UserError(
                f"{url}: the downloaded file has {wrong}; it was deleted, so try again later or use another address."
            )
        os.replace(part.path, path)
        part.note.unlink(missing_ok=True)
    return path


def digest(path, name: str = "sha256") -> str:
    """The hexadecimal digest of a file; `name` as in hashlib."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, name).hexdigest()


class Part:
    """The bytes so far, locked against a second process, and a note of which version of which address they are."""

    def __init__(self, path: pathlib.Path):
        self.path, self.note = path, path.with_name(path.name + ".json")
        self.file = open(path, "ab")  # noqa: SIM115 (download closes it)
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            mine = os.path.samestat(os.fstat(self.file.fileno()), os.stat(path))
        except OSError:
            mine = False
        if not mine:
            self.file.close()
            raise UserError(f"{path}: another process is downloading this file; wait for it to finish.")

    @property
    def size(self) -> int:
        return self.file.seek(0, os.SEEK_END)

    def origin(self) -> dict:
        try:
            note = json.loads(self.note.read_text())
        except (OSError, ValueError, RecursionError):
            return {}
        return note if isinstance(note, dict) else {}

    def write(self, chunk: bytes) -> None:
        try:
            self.file.write(chunk)
            self.file.flush()
        except OSError as error:
            raise UserError(
                f"{self.path}: cannot be written ({error.strerror}); free some space or choose another folder."
            ) from None

    def discard(self) -> None:
        self.file.truncate(0)
        self.path.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)


def _fill(url: str, part: Part, timeout: float, show) -> None:
    """Append to `part` until it holds all of `url`, asking again, from where it stopped, a few times."""
    for attempt in range(1, ATTEMPTS + 1):
        before = part.size
        try:
            return _request(url, part, timeout, show)
        except urllib.error.HTTPError as error:
            problem = f"the server answers {error.code} {error.reason}"
            if error.code == 416:  # the part is not a beginning of what the server has now
                part.file.truncate(0)
            elif error.code < 500:
                break
        except EOFError as error:
            problem = str(error)
        except (OSError, http.client.HTTPException) as error:
            problem = _in_words(error, timeout)
        if attempt < ATTEMPTS and part.size <= before:
            time.sleep(PAUSE * attempt)
    size = part.size
    if not size:
        part.discard()
    kept = f"; {size:,} bytes are kept and the same command continues from there" if size else ""
    raise UserError(f"{url}: {problem}; check the address and the connection, then try again{kept}.")


def _request(url: str, part: Part, timeout: float, show) -> None:
    """One request, resumed when `part` has bytes of the version that the server still offers."""
    have, origin = part.size, part.origin()
    request = urllib.request.Request(url, headers={"User-Agent": "kdjax", "Accept-Encoding": "identity"})
    if have and origin.get("url") == url:
        request.add_header("Range", f"bytes={have}-")
        if origin.get("version"):
            request.add_header("If-Range", origin["version"])
    with urllib.request.urlopen(request, timeout=timeout) as reply:
        total = _total(reply, have)
        if reply.status != 206:
            part.file.truncate(0)
            have = 0
        elif total is None or total != origin.get("total"):
            part.file.truncate(0)
            raise EOFError("the file on the server has changed since the download began")
        _refuse_page(url, reply.headers.get_content_type() == "text/html", part)
        part.note.write_text(json.dumps({"url": url, "version": _version(reply), "total": total}))
        _copy(url, reply, part, have, total, show)


def _total(reply, have: int) -> int | None:
    """The size of the whole file; None when the server does not say, or sends another piece than the one asked for."""
    if reply.status == 206:
        piece, _, total = (reply.headers.get("Content-Range") or "").partition("/")
        return int(total) if piece.startswith(f"bytes {have}-") and total.isdigit() else None
    length = reply.headers.get("Content-Length") or ""
    return int(length) if length.isdigit() else None


def _version(reply) -> str:
    """What If-Range takes: a strong ETag, else the date."""
    tag = reply.headers.get("ETag") or ""
    return tag if tag.startswith('"') else reply.headers.get("Last-Modified") or ""


def _copy(url: str, reply, part: Part, have: int, total: int | None, show) -> None:
    while chunk := reply.read1(CHUNK):
        if not have:
            _refuse_page(url, chunk[:200].lstrip().lower().startswith((b"<!doctype html", b"<html")), part)
        part.write(chunk)
        have += len(chunk)
        show(have, total)
    show.end()
    if total is not None and have < total:
        raise EOFError(f"it stopped after {have:,} of {total:,} bytes")


def _refuse_page(url: str, is_page: bool, part: Part) -> None:
    if is_page:
        part.discard()
        raise UserError(
            f"{url}: the server sends a web page (HTML), not the file; open the address in a browser to see what it "
            "says, and give one that leads to the file itself."
        )


def _in_words(error: Exception, timeout: float) -> str:
    reason = getattr(error, "reason", error)
    if isinstance(reason, TimeoutError):
        return f"the server sent nothing for {timeout:g} seconds"
    return f"the download failed ({str(reason) or type(reason).__name__})"


def _wrong_digest(path: pathlib.Path, md5: str | None, sha256: str | None) -> str | None:
    """None when every given digest agrees, else a few words that name the two."""
    for name, want in (("md5", md5), ("sha256", sha256)):
        if want and (got := digest(path, name)) != want.lower():
            return f"{name} {got}, expected {want}"
    return None


class Progress:
    """One line on a terminal, rewritten at most five times a second; silent elsewhere."""

    def __init__(self, name: str, wanted: bool):
        self.name, self.on, self.next = name, wanted and sys.stderr.isatty(), 0.0

    def __call__(self, have: int, total: int | None) -> None:
        now = time.monotonic()
        if self.on and (now >= self.next or have == total):
            self.next = now + 0.2
            of = f" of {total / 1e6:.1f} MB ({100 * have // max(total, 1)}%)" if total else " MB"
            print(f"\r{self.name}: {have / 1e6:.1f}{of}   ", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        if self.on:
            print(file=sys.stderr)
