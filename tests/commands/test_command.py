"""One command with all others in it."""
import importlib.util
import os
import pathlib
import subprocess
import sys

import pytest

from kdjax import __main__ as command
from kdjax import __version__
from kdjax.config import file
from kdjax.errors import UserError

ROOT = pathlib.Path(__file__).resolve().parents[2]


def test_every_command_here_has_a_module_with_a_main_and_is_in_the_help():
    assert {"train", "evaluate", "convert", "fetch", "doctor"} <= set(command.here())
    for name in command.here():
        module = command.COMMANDS[name][0]
        assert "def main(" in pathlib.Path(importlib.util.find_spec(module).origin).read_text()
        assert f"\n  {name} " in command.usage()


def test_a_command_whose_module_is_missing_is_neither_offered_nor_understood(monkeypatch):
    monkeypatch.setitem(command.COMMANDS, "dance", ("kdjax.no_such_module", "dances"))
    assert "dance" not in command.usage()
    with pytest.raises(UserError, match="no command 'dance'"):
        command.main(["dance"])


def test_a_mistaken_word_is_one_sentence_with_the_near_one():
    with pytest.raises(UserError, match="did you mean train"):
        command.main(["trian"])


def test_asking_for_the_version_loads_no_jax(tmp_path):
    done = subprocess.run([sys.executable, "-X", "importtime", "-m", "kdjax", "--version"], cwd=tmp_path, text=True,
                          env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, timeout=60)
    assert done.stdout == f"kdjax {__version__}\n"
    assert not {"jax", "numpy", "flax"} & {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}


def test_flags_alone_mean_train(capsys):
    assert command.main(["train", "--help"]) == command.main(["--config", "itrd", "--help"]) == 0
    said = capsys.readouterr().out
    assert said[:len(said) // 2] == said[len(said) // 2:]


def test_a_config_is_found_by_its_name_alone_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert file.load("itrd:demo").method.name == file.load("configs/itrd.py").method.name == "itrd"


def test_a_file_of_the_users_own_comes_before_the_shipped_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "itrd.py").write_text("from configs import common\n\n\ndef get_config(arg=None):\n"
                                                  "    return common.alone(common.parse(arg), 'vanilla', 'resnet8')\n")
    assert file.load("configs/itrd.py").method.name == "vanilla"
    assert file.load("itrd").method.name == "itrd"


def test_a_mistaken_config_name_shows_the_near_one():
    with pytest.raises(UserError, match="did you mean configs/itrd.py"):
        file.load("itdr")


def test_a_module_of_the_current_folder_can_be_named_whichever_way_kdjax_is_started(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [path for path in sys.path if path not in ("", str(tmp_path))])
    monkeypatch.setattr("sys.argv", ["kdjax", "--version"])
    (tmp_path / "only_here_now.py").write_text("Loss = 7")
    assert command.script() == 0
    assert importlib.import_module("only_here_now").Loss == 7
    sys.modules.pop("only_here_now")
