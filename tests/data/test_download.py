import hashlib
import http.server
import os
import threading

import pytest

from kdjax.data import download
from kdjax.data import source as sources
from kdjax.data.readers import cifar_archive
from kdjax.errors import UserError


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A web server of tmp_path/www that stands in for the official one."""
    (tmp_path / "www").mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(tmp_path / "www"))

        def log_message(self, *_):
            pass

    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    monkeypatch.setenv("KDJAX_CIFAR_URL", f"http://127.0.0.1:{running.server_port}/")
    yield tmp_path / "www"
    running.shutdown()
    running.server_close()


@pytest.fixture
def offered(server, cifar_folder, pack, monkeypatch):
    """An archive on the server, whose md5 counts as the official one."""
    path = pack({f"cifar-100-python/{name}": (cifar_folder / name).read_bytes() for name in ("train", "test")},
                server / "cifar-100-python.tar.gz")
    cifar_folder.rename(cifar_folder.with_name("hidden"))
    layout = cifar_archive.LAYOUTS["cifar100"]._replace(md5=hashlib.md5(path.read_bytes()).hexdigest())
    monkeypatch.setitem(cifar_archive.LAYOUTS, "cifar100", layout)
    return path


def test_download_true_fetches_checks_and_reads_the_official_archive(offered, make_cfg, tmp_path):
    cfg = make_cfg(dataset="cifar100", dir=str(tmp_path / "data"), download=True, allow_empty_classes=True)
    assert len(sources.load(cfg, 0).train.labels) == 5
    assert (tmp_path / "data" / "cifar-100-python.tar.gz").is_file()
    offered.unlink()
    cfg.download = False
    assert len(sources.load(cfg, 0).train.labels) == 5


def test_without_a_folder_downloads_go_into_the_cache_and_are_found_there(offered, make_cfg, tmp_path):
    sources.load(make_cfg(dataset="cifar100", download=True, allow_empty_classes=True), 0)
    assert (tmp_path / "cache" / "downloads" / offered.name).is_file()
    assert len(sources.load(make_cfg(dataset="cifar100", allow_empty_classes=True), 0).train.labels) == 5


def test_other_bytes_than_the_official_ones_are_refused_and_not_kept(offered, make_cfg, tmp_path):
    offered.write_bytes(offered.read_bytes() + b"more")
    with pytest.raises(UserError, match="md5"):
        sources.load(make_cfg(dataset="cifar100", dir=str(tmp_path / "data"), download=True), 0)
    assert not (tmp_path / "data" / offered.name).exists()


def test_a_missing_file_on_the_server_is_one_sentence(server, make_cfg, tmp_path):
    with pytest.raises(UserError, match="404") as caught:
        sources.load(make_cfg(dataset="cifar10", dir=str(tmp_path / "data"), download=True), 0)
    assert "\n" not in str(caught.value)


def test_fetch_knows_its_names_and_says_so(tmp_path):
    with pytest.raises(UserError, match="cifar10, cifar100, stl10, tiny_imagenet"):
        download.fetch("imagenet", tmp_path)


def test_a_folder_that_cannot_be_made_is_one_sentence(offered, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="choose another folder"):
        download.fetch("cifar100", tmp_path / "file" / "data")


@pytest.mark.parametrize("name", ["stl10", "tiny_imagenet"])
def test_the_archives_of_transfer_come_from_their_mirror_and_are_checked(server, tmp_path, monkeypatch, name):
    reader, variable = download.OTHERS[name]
    (server / reader.ARCHIVE).write_bytes(b"archive")
    monkeypatch.setenv(variable, os.environ["KDJAX_CIFAR_URL"])
    with pytest.raises(UserError, match="md5"):
        download.fetch(name, tmp_path / "data")
    monkeypatch.setattr(reader, "MD5", hashlib.md5(b"archive").hexdigest())
    assert download.fetch(name, tmp_path / "data").read_bytes() == b"archive"
