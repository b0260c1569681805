"""python -m kdjax.fetch teachers, against a local server that also misbehaves."""
import functools
import http.server
import json
import pathlib
import threading

import pytest

from kdjax import fetch, models
from kdjax.errors import UserError
from kdjax.run import fetch as released
from tests.weights.torch_files import save, state_dict


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves the folder; `page`: an HTML page instead; `cut`: half the file, whatever is asked for."""
    page = cut = False
    asked = 0

    def do_GET(self):
        type(self).asked += 1
        data = b"<!doctype html>moved" if self.page else pathlib.Path(self.translate_path(self.path)).read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[:len(data) // 2] if self.cut else data)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A release with a wrn_40_2 that is a wrn_40_2 and a resnet56 that is a resnet8."""
    monkeypatch.setattr("kdjax.files.download.PAUSE", 0.01)
    monkeypatch.chdir(tmp_path)
    teacher = {"epoch": 240, "model": state_dict("wrn_40_2", 100)}
    save(tmp_path / "repo" / "wrn_40_2_vanilla" / "ckpt_epoch_240.pth", teacher, legacy=True, location="cuda:0")
    save(tmp_path / "repo" / "resnet56_vanilla" / "ckpt_epoch_240.pth", {"model": state_dict()})
    handler = type("Here", (Handler,), {})
    serve = functools.partial(handler, directory=tmp_path / "repo")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), serve) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        monkeypatch.setenv("KDJAX_TEACHERS_URL", f"http://127.0.0.1:{server.server_port}/")
        yield handler
        server.shutdown()


@pytest.fixture
def no_data(monkeypatch):
    monkeypatch.setattr("kdjax.data.source.locate", lambda cfg: None)


def test_a_teacher_is_fetched_converted_and_recorded(server, no_data, tmp_path, capsys):
    assert fetch.main(["teachers", "wrn_40_2"]) == 0
    said = capsys.readouterr().out
    source = tmp_path / "teachers" / "wrn_40_2_vanilla" / "ckpt_epoch_240.pth"
    metadata = json.loads((tmp_path / "teachers" / "wrn_40_2" / "network.json").read_text())["metadata"]
    assert metadata["source_bytes"] == source.stat().st_size and f"{source.stat().st_size:,} bytes" in said
    assert metadata["source_sha256"] in said and metadata["url"].endswith("/wrn_40_2_vanilla/ckpt_epoch_240.pth")
    assert "published top-1 75.61; not measured" in said
    assert models.load(tmp_path / "teachers" / "wrn_40_2")[0].name == "wrn_40_2"
    assert fetch.main(["teachers", "wrn_40_2"]) == 0 and server.asked == 1
    assert "is there already" in capsys.readouterr().out


def test_the_accuracy_is_said_beside_the_published_one(server, tmp_path, capsys, monkeypatch):
    import numpy as np

    from kdjax.data.types import Dataset, Split
    images = np.zeros((20, 32, 32, 3), np.uint8)
    split = Split(images, np.zeros(20, np.int32))
    data = Dataset("cifar100", split, split, None, 100, 32, (0.5,) * 3, (0.25,) * 3)
    monkeypatch.setattr("kdjax.data.source.locate", lambda cfg: tmp_path)
    monkeypatch.setattr("kdjax.data.source.load", lambda cfg, seed: data)
    released.teachers(["wrn_40_2"])
    assert "on the 20 test images of cifar100; published 75.61" in capsys.readouterr().out


@pytest.mark.parametrize(("trouble", "word"), [("page", "web page"), ("cut", "stopped after")])
def test_a_server_in_trouble_leaves_no_teacher(server, no_data, tmp_path, trouble, word):
    setattr(server, trouble, True)
    with pytest.raises(UserError, match=word):
        released.teachers(["wrn_40_2"])
    assert not (tmp_path / "teachers" / "wrn_40_2").exists()
    setattr(server, trouble, False)
    assert released.teachers(["wrn_40_2"])[0].is_dir()


def test_a_file_that_is_another_network_is_refused_and_not_taken_for_the_teacher_later(server, no_data, tmp_path):
    for asked in (1, 2):
        with pytest.raises(UserError, match="holds a resnet8, .* resnet56"):
            released.teachers(["resnet56"])
        assert server.asked == asked and not (tmp_path / "teachers" / "resnet56").exists()


def test_an_unknown_name_is_refused_with_the_known_ones(tmp_path):
    with pytest.raises(UserError, match="choose from wrn_40_2, resnet56"):
        released.teachers(["resnet57"], tmp_path)


def test_the_published_accuracies_are_those_of_the_table(shared):
    rows = [line.split(",") for line in (shared / "spec" / "published_results.csv").read_text().splitlines()]
    table = {row[1]: float(row[3]) for row in rows if row[6] == "RepDistiller README" and row[3]}
    assert {name: table[name] for name in released.TEACHERS} == released.TEACHERS
