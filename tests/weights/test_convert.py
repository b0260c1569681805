"""convert_torch_ckpt.py as a user runs it."""
import os
import pathlib
import subprocess
import sys

import pytest
import torch

from kdjax import models
from tests.weights.torch_files import containers, save, state_dict

ROOT = pathlib.Path(__file__).resolve().parents[2]


def run(*arguments, cwd=None):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, ROOT / "convert_torch_ckpt.py", *map(str, arguments)], capture_output=True,
                          text=True, cwd=cwd or ROOT, env=environment, timeout=300)


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    """(the checkpoint, the folder that came of it, what was said)"""
    folder = tmp_path_factory.mktemp("converted")
    source = save(folder / "resnet8_vanilla" / "ckpt_epoch_240.pth", containers()["rep_regular"])
    done = run(source, cwd=folder)
    assert done.returncode == 0, done.stderr
    return source, folder / "teachers" / "resnet8", done.stdout


def test_a_checkpoint_becomes_a_folder_that_models_load_reads(converted):
    source, folder, said = converted
    assert "resnet8, 10 classes, 78,042 parameters (the file says: epoch 240, accuracy 61.5)" in said
    sha256 = subprocess.run(["sha256sum", source], capture_output=True, text=True).stdout.split()[0]
    assert sha256 in said and "written to teachers/resnet8" in said
    assert models.load(folder)[0].name == "resnet8"


def test_the_way_back_gives_the_same_tensors_bit_for_bit(converted, tmp_path):
    done = run("--to-torch", converted[1], "--out", tmp_path / "new" / "x.pth")
    assert done.returncode == 0, done.stderr
    back = torch.load(tmp_path / "new" / "x.pth", weights_only=True)
    assert back["epoch"] == 240 and list(back["model"]) == list(state_dict())
    assert all(torch.equal(back["model"][key], value) for key, value in state_dict().items())


def test_safetensors_are_written_too(converted, tmp_path):
    from safetensors.torch import load_file
    assert run("--to-safetensors", converted[1], "--out", tmp_path / "x.safetensors").returncode == 0
    got = load_file(tmp_path / "x.safetensors")
    assert all(torch.equal(got[key], value) for key, value in state_dict().items())


def test_a_refusal_is_one_sentence_with_status_2_and_writes_nothing(tmp_path):
    broken = containers()["rep_regular"]["model"] | {"fc.bias": torch.full((10,), float("nan"))}
    source = save(tmp_path / "x.pth", {"model": broken})
    done = run(source, "--out", tmp_path / "a" / "out")
    assert done.returncode == 2 and done.stdout == "" and not (tmp_path / "a").exists()
    assert done.stderr.startswith(f"error: {source} has NaN") and done.stderr.count("\n") == 1


def test_what_was_left_out_is_said(tmp_path):
    source = save(tmp_path / "best", containers()["mdistiller"])
    done = run(source, "--part", "teacher", "--arch", "resnet14", "--out", tmp_path / "out")
    assert done.returncode == 0 and "resnet14" in done.stdout
    assert "note: took teacher and left out connectors, student" in done.stderr


def test_without_out_another_network_of_the_same_name_is_kept(converted):
    other = save(converted[0].with_name("other.pth"), {"model": state_dict(), "epoch": 1})
    done = run(other, cwd=converted[1].parents[1])
    assert done.returncode == 2 and "already holds another network" in done.stderr and "--out" in done.stderr
    assert run(converted[0], cwd=converted[1].parents[1]).returncode == 0


def test_too_much_or_too_little_is_explained():
    for arguments in ([], ["x.pth", "--to-torch", "y"]):
        done = run(*arguments)
        assert done.returncode == 2 and "give one of SRC" in done.stderr
