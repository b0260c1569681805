"""Bits that flip and files that go: an earlier step comes back, never anything else."""

import itertools
import os
import random
import shutil

import numpy as np
import pytest

from kdjax.errors import UserError
from kdjax.files import checksums
from kdjax.run import checkpoints as run_checkpoint
from kdjax.run.checkpoints import RunCheckpoints
from tests.run.checkpoints import fell_back_or_unharmed, flip_a_bit, restore_quietly, truncate


@pytest.mark.parametrize("flips", [20, pytest.param(100, marks=pytest.mark.slow)])
def test_no_flipped_bit_restores_wrong_weights(copies, flips):
    rng, outcomes = random.Random(flips), []
    for folder in itertools.islice(copies, flips):
        files = sorted(path for path in (folder / "2").rglob("*") if path.is_file() and path.stat().st_size)
        flip_a_bit(files[len(outcomes) % len(files)], rng)  # every file in turn: data, orbax's metadata, our manifest
        outcomes.append(fell_back_or_unharmed(folder))
        shutil.rmtree(folder)
    assert outcomes.count("fell back") == flips


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # orbax's threads, on damaged files
def test_flips_are_caught_by_leaf_checksums_alone(copies, monkeypatch):
    monkeypatch.setattr(run_checkpoint, "check_files", lambda *_: None)
    rng = random.Random(3)
    for folder in itertools.islice(copies, 12):  # some land in bytes that orbax never reads: unharmed
        flip_a_bit(rng.choice(sorted((folder / "2").rglob("d/*"))), rng)
        fell_back_or_unharmed(folder)


@pytest.mark.parametrize("change", [
    lambda x: np.frombuffer(bytes([x.tobytes()[0] ^ 1]) + x.tobytes()[1:], x.dtype).reshape(x.shape),
    lambda x: x.view(np.int32), lambda x: x.T, lambda x: x[:-1], lambda x: None, lambda x: float(x[0, 0]),
])
def test_a_leaf_that_orbax_hands_back_wrong_is_named_and_passed_over(copies, monkeypatch, change):
    name, right = "params/layer1/kernel", run_checkpoint._orbax()

    class Wrong:
        def restore(self, path):
            arrays = right.restore(path)
            return arrays | {name: change(arrays[name])} if "/2/" in str(path) else arrays

    monkeypatch.setattr(run_checkpoint, "_orbax", Wrong)
    with pytest.warns(UserWarning, match=f"leaf {name} was not restored as it was saved"):
        assert RunCheckpoints(next(copies)).restore()[0] == 1


def _swap_for_link(path):
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def _swap_for_folder(path):
    path.unlink()
    path.mkdir()


TAMPERS = {"truncated": truncate, "emptied": lambda path: os.truncate(path, 0), "missing": os.unlink,
           "longer": lambda path: path.write_bytes(path.read_bytes() + b"\0"), "folder": _swap_for_folder,
           "link": _swap_for_link}


@pytest.mark.parametrize("how", TAMPERS)
def test_truncated_emptied_and_missing_files_are_noticed_at_every_position(copies, two_steps, how):
    names = sorted(p.relative_to(two_steps) for p in (two_steps / "2").rglob("*") if p.is_file() and p.stat().st_size)
    assert len(names) > 5
    for name in names:
        folder = next(copies)
        TAMPERS[how](folder / name)
        outcome = fell_back_or_unharmed(folder)
        assert outcome == "fell back" or (how == "link" and name.name == "MANIFEST")


def test_the_warning_names_the_file(copies):
    folder = next(copies)
    path = next((folder / "2").rglob("_METADATA"))
    path.unlink()
    with pytest.warns(UserWarning, match=r"2 is damaged: file arrays/_METADATA is missing. It was moved to damaged/"):
        assert RunCheckpoints(folder).restore()[0] == 1


def test_when_every_step_is_damaged_there_is_none(copies):
    folder = next(copies)
    for path in folder.rglob("MANIFEST"):
        truncate(path)
    found, told = restore_quietly(folder)
    assert found is None and len(told) == 2 and sorted(os.listdir(folder / "damaged")) == ["1", "2"]


def test_a_checkpoint_of_a_later_format_is_refused_and_left_alone(copies):
    folder = next(copies)
    document = checksums.unseal((folder / "2" / "MANIFEST").read_bytes())
    (folder / "2" / "MANIFEST").write_bytes(checksums.seal(document | {"version": 99}))
    with pytest.raises(UserError, match="format 99"):
        RunCheckpoints(folder).restore()
    assert (folder / "2").is_dir()
