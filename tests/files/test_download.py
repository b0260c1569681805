"""kdjax.files.download against a server that behaves badly."""

import hashlib
import http.server
import random
import threading
import time

import pytest

from kdjax.errors import UserError
from kdjax.files.download import download

BODY = random.Random(0).randbytes(300_000)


class Server(http.server.ThreadingHTTPServer):
    """Serves BODY. `cuts`: how many bytes each next answer sends before it stops; `stall`: hold the line."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.body, self.cuts, self.stall, self.ranges = BODY, [], 0.0, []
        self.go_on = threading.Event()  # cleared by a test that holds the answer back
        self.go_on.set()
        self.kind, self.tag, self.status = "application/zip", "a", 200
        self.url = f"http://127.0.0.1:{self.server_port}/file.bin"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server, asked = self.server, self.headers.get("Range")
        server.ranges.append(asked)
        server.go_on.wait(60)
        start = (
            int(asked[6:-1]) if asked and self.headers.get("If-Range", f'"{server.tag}"') == f'"{server.tag}"' else 0
        )
        if server.status != 200 or start > len(server.body):
            return self.send_error(server.status if server.status != 200 else 416)
        piece = server.body[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", len(piece))
        self.send_header("Content-Type", server.kind)
        if server.tag:
            self.send_header("ETag", f'"{server.tag}"')
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(server.body) - 1}/{len(server.body)}")
        self.end_headers()
        self.wfile.write(piece[: server.cuts.pop(0)] if server.cuts else piece)
        self.wfile.flush()
        time.sleep(server.stall)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr("kdjax.files.download.PAUSE", 0.01)
    with Server() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


def left_in(folder):
    return sorted(p.name for p in folder.iterdir())


def test_a_file_arrives_whole_and_leaves_nothing_beside_it(server, tmp_path):
    path = download(
        server.url,
        tmp_path / "new" / "x.bin",
        sha256=hashlib.sha256(BODY).hexdigest(),
        md5=hashlib.md5(BODY).hexdigest(),
    )
    assert path.read_bytes() == BODY and left_in(path.parent) == ["x.bin"]


@pytest.mark.parametrize("tag", ["a", ""])
def test_an_answer_cut_short_is_continued_from_where_it_stopped(server, tmp_path, tag):
    server.cuts, server.tag = [100_000, 50_000], tag
    assert download(server.url, tmp_path / "x").read_bytes() == BODY
    assert server.ranges == [None, "bytes=100000-", "bytes=150000-"]


def test_a_later_call_continues_what_an_earlier_one_left(server, tmp_path):
    server.cuts = [100_000, 0, 0]
    with pytest.raises(UserError, match="100,000 bytes are kept"):
        download(server.url, tmp_path / "x")
    assert not (tmp_path / "x").exists()
    assert download(server.url, tmp_path / "x").read_bytes() == BODY and left_in(tmp_path) == ["x"]
    assert server.ranges[-1] == "bytes=100000-"


@pytest.mark.parametrize("tag", ["a", ""])
def test_two_versions_of_a_file_are_never_joined(server, tmp_path, tag):
    server.tag, server.cuts = tag, [100_000, 0, 0]
    with pytest.raises(UserError):
        download(server.url, tmp_path / "x")
    server.body, server.tag = BODY[::-1] + b"more", tag and "b"
    assert download(server.url, tmp_path / "x").read_bytes() == BODY[::-1] + b"more"


def test_a_part_longer_than_the_file_is_started_over(server, tmp_path):
    server.cuts = [200_000, 0, 0]
    with pytest.raises(UserError):
        download(server.url, tmp_path / "x")
    server.body, server.tag = b"short", "b"
    assert download(server.url, tmp_path / "x").read_bytes() == b"short"


def test_a_part_of_another_address_is_started_over(server, tmp_path):
    server.cuts = [200_000, 0, 0]
    with pytest.raises(UserError):
        download(server.url, tmp_path / "x")
    assert download(server.url + "?2", tmp_path / "x").read_bytes() == BODY and server.ranges[-1] is None


def test_a_stalled_server_ends_in_one_sentence(server, tmp_path):
    server.cuts, server.stall = [1000] * 9, 2.0
    with pytest.raises(UserError, match=r"sent nothing for 1 seconds; .* bytes are kept"):
        download(server.url, tmp_path / "x", timeout=1)


@pytest.mark.parametrize(
    ("kind", "body"), [("text/html; charset=utf-8", b"moved"), ("application/zip", b"\n<!DOCTYPE html><p>Not here")]
)
def test_a_web_page_is_refused_and_not_kept(server, tmp_path, kind, body):
    server.kind, server.body = kind, body
    with pytest.raises(UserError, match="web page"):
        download(server.url, tmp_path / "x")
    assert left_in(tmp_path) == []


def test_other_bytes_than_promised_are_refused_and_not_kept(server, tmp_path):
    with pytest.raises(UserError, match="expected 00"):
        download(server.url, tmp_path / "x", sha256="00" * 32)
    assert left_in(tmp_path) == []


def test_a_file_that_is_there_is_not_fetched_again_unless_its_digest_is_wrong(server, tmp_path):
    (tmp_path / "x").write_bytes(b"old")
    assert download(server.url, tmp_path / "x").read_bytes() == b"old" and server.ranges == []
    assert download(server.url, tmp_path / "x", md5=hashlib.md5(BODY).hexdigest()).read_bytes() == BODY


@pytest.mark.parametrize("status", [404, 503])
def test_a_refusal_of_the_server_is_repeated_in_the_message(server, tmp_path, status):
    server.status = status
    with pytest.raises(UserError, match=str(status)):
        download(server.url, tmp_path / "x", timeout=10)
    assert left_in(tmp_path) == [] and len(server.ranges) == (1 if status == 404 else 3)


@pytest.mark.parametrize(("url", "says"), [("http://127.0.0.1:9/x", "download failed"), ("file:///x", "only http")])
def test_an_address_that_cannot_be_used_ends_in_one_sentence(tmp_path, url, says):
    with pytest.raises(UserError, match=says):
        download(url, tmp_path / "x", timeout=0.1)
    assert left_in(tmp_path) == []


def test_two_processes_do_not_write_the_same_file(server, tmp_path):
    server.go_on.clear()
    slow = threading.Thread(target=download, args=(server.url, tmp_path / "x"))
    slow.start()
    while not server.ranges:  # once it asks, it has the lock
        time.sleep(0.01)
    with pytest.raises(UserError, match="another process"):
        download(server.url, tmp_path / "x")
    server.go_on.set()
    slow.join()
    assert (tmp_path / "x").read_bytes() == BODY
