"""A wheel works from an empty folder: nothing of the checkout is needed."""
import os
import pathlib
import subprocess
import sys
import zipfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from a copy, as a stale build/ of the checkout would hide what is missing."""
    folder = tmp_path_factory.mktemp("wheel")
    copy = folder / "source"
    copy.mkdir()
    for name in ("kdjax", "configs", "convert_torch_ckpt.py", "pyproject.toml", "setup.py", "MANIFEST.in", "README.md",
                 "LICENSE"):
        subprocess.run(["cp", "-r", ROOT / name, copy / name], check=True)
    subprocess.run([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w",
                    folder, copy],
                   check=True, timeout=120, capture_output=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel):
    place = wheel.parent / "installed"
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", place, wheel], check=True,
                   timeout=120, capture_output=True)
    return place


def kdjax(place, folder, *words):
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"PYTHONPATH": str(place)}
    return subprocess.run([place / "bin" / "kdjax", *words], cwd=folder, env=environment, capture_output=True,
                          text=True, timeout=120)


def test_the_wheel_holds_the_configs_the_types_and_no_tests(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    for path in (ROOT / "configs").glob("*.py"):
        assert f"kdjax/_shipped/configs/{path.name}" in names
    assert "kdjax/py.typed" in names and "kdjax/convert.py" in names
    assert {name.split("/")[0].split("-")[0] for name in names} == {"kdjax"}


def test_the_command_says_its_version_and_what_it_can_do(installed, tmp_path):
    from kdjax import __version__
    assert kdjax(installed, tmp_path, "--version").stdout == f"kdjax {__version__}\n"
    assert "usage: python -m kdjax.main" in kdjax(installed, tmp_path, "train", "--help").stdout
    assert "SRC" in kdjax(installed, tmp_path, "convert", "--help").stdout


def test_the_configs_are_listed_from_an_empty_folder(installed, tmp_path):
    done = kdjax(installed, tmp_path, "train", "--list")
    assert done.returncode == 0, done.stderr
    assert all(f"configs/{path.name}" in done.stdout for path in (ROOT / "configs").glob("*.py")
               if path.stem != "common")


@pytest.mark.parametrize("name", ["itrd", "configs/itrd.py"])
def test_a_config_is_found_from_an_empty_folder_and_asks_for_its_teacher(installed, tmp_path, name):
    done = kdjax(installed, tmp_path, "train", "--config", name)
    assert done.returncode == 2 and "teachers/wrn_40_2" in done.stderr, done.stderr
    assert not os.listdir(tmp_path)
