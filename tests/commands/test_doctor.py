"""kdjax.doctor says what to fix, and nothing that is broken stops it."""
import importlib.metadata
import pathlib

import pytest

from kdjax import doctor
from kdjax.data import source as sources
from kdjax.run import checkup


@pytest.fixture
def quick(monkeypatch):
    """Lines and status of the doctor without its two-step run."""
    monkeypatch.chdir(pathlib.Path(__file__).resolve().parents[2])

    def ask(capsys, *arguments):
        status = doctor.main(["--no-run", *arguments])
        return status, capsys.readouterr().out.splitlines()
    return ask


def test_a_whole_installation_passes_with_a_run_of_two_steps(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TFDS_DATA_DIR", "")
    assert doctor.main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "all is well" and any(line.startswith("ok  two steps: trained, saved") for line in lines)
    assert any(line.startswith("ok  devices: ") for line in lines) and not list(tmp_path.iterdir())


def test_a_package_out_of_its_bounds_is_to_be_fixed(quick, capsys, monkeypatch):
    real = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "0.4.1" if name == "jax" else real(name))
    status, lines = quick(capsys)
    assert status == 1 and lines[0] == "FIX jax: 0.4.1 is not tested; pip install 'jax>=0.10.2,<0.11'"


def test_a_missing_package_is_to_be_installed(quick, capsys, monkeypatch):
    def version(name):
        raise importlib.metadata.PackageNotFoundError(name)
    monkeypatch.setattr(importlib.metadata, "version", version)
    status, lines = quick(capsys)
    assert status == 1 and lines[0].startswith("FIX jax: is not installed; pip install 'jax>=")


def test_the_data_and_the_teacher_of_the_config_must_be_there(quick, capsys, monkeypatch):
    monkeypatch.setattr(sources, "locate", lambda fields: None)
    status, lines = quick(capsys, "--config=configs/itrd.py:teacher=./no_teacher")
    assert status == 1 and "FIX data cifar100: not found; python -m kdjax.fetch data cifar100" in lines
    assert any(line.startswith("FIX teacher ./no_teacher: there is no teacher") for line in lines)
    assert lines[-1] == "2 things to fix"


def test_a_folder_that_cannot_be_written_and_a_full_disk_are_to_be_fixed(quick, capsys, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    assert any("cannot be written" in line for line in quick(capsys, f"--workdir={tmp_path / 'file' / 'run'}")[1])
    monkeypatch.setattr(checkup, "ROOM", 2**80)
    assert quick(capsys, f"--workdir={tmp_path}")[0] == 1


def test_a_check_that_breaks_is_a_finding_and_the_others_go_on(quick, capsys, monkeypatch):
    def devices():
        raise RuntimeError("no driver\nat all")
        yield
    monkeypatch.setattr(checkup, "devices", devices)
    status, lines = quick(capsys)
    assert status == 1 and any("FIX devices: fails with RuntimeError: no driver at all" in line for line in lines)
    assert any(line.startswith("ok  disk") for line in lines)


def test_requirements_are_those_of_the_project_that_hold_on_this_machine():
    found = {need.name: need for need in checkup.requirements()}
    assert str(found["jax"].specifier) in (">=0.10.2,<0.11", "<0.11,>=0.10.2") and "torch" not in found
