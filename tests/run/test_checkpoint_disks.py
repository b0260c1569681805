"""Disks that are full, read-only or forbidden: one sentence, and the last good step stays."""

import errno
import os
import pathlib
import random
import shutil

import numpy as np
import pytest

from kdjax.errors import UserError
from kdjax.run import checkpoints as run_checkpoint
from kdjax.run.checkpoints import RunCheckpoints
from tests.run.checkpoint_child import tree_of
from tests.run.checkpoints import flip_a_bit, same


@pytest.mark.parametrize("place", ["reserve", "_write_arrays", "atomic_write_bytes", "fsync_tree"])
def test_a_full_disk_is_one_sentence_and_keeps_the_last_good_step(copies, monkeypatch, place):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    folder = next(copies)
    with monkeypatch.context() as patch:
        patch.setattr(run_checkpoint, place, full)
        with pytest.raises(UserError, match=r"The disk of .* is full .* free some space .*\(step 2 is saved\)$"):
            RunCheckpoints(folder).save(3, tree_of(3), {})
    assert sorted(os.listdir(folder)) == ["1", "2"]
    RunCheckpoints(folder).save(3, tree_of(3), {})
    assert RunCheckpoints(folder).restore()[0] == 3


def test_a_disk_that_really_fills_keeps_the_last_good_step(small_disk, capfd):
    folder, _ = small_disk
    checkpoints, noise = RunCheckpoints(folder / "checkpoints"), np.random.default_rng(0)
    checkpoints.save(1, tree_of(1), {"epoch": 1})
    refused = 0
    for free in (0, 4, 40, 200, 900, 990, 1010, 1040, 1100, 1200):  # KiB, for a step of about 1000
        filler = folder / "filler"
        filler.write_bytes(bytes(max(0, shutil.disk_usage(folder).free - free * 1024)))
        told = ""
        try:
            checkpoints.save(2, {"x": noise.integers(0, 256, 10**6, dtype=np.uint8)}, {})
        except UserError as error:
            told = str(error)
        if told:
            refused += 1
            assert "is full" in told and "(step 1 is saved)" in told
            assert os.listdir(folder / "checkpoints") == ["1"] and same(checkpoints.restore()[1], tree_of(1))
        else:
            assert checkpoints.restore()[0] == 2
            shutil.rmtree(folder / "checkpoints" / "2")
        filler.unlink()
    assert 5 <= refused <= 9
    assert "Traceback" not in capfd.readouterr().err


def test_a_disk_that_turns_read_only_is_one_sentence_and_can_still_be_read(small_disk):
    folder, remount = small_disk
    checkpoints = RunCheckpoints(folder)
    for step in (1, 2):
        checkpoints.save(step, tree_of(step), {"epoch": step})
    flip_a_bit(folder / "2" / "MANIFEST", random.Random(0))
    assert remount("ro")
    with pytest.raises(UserError, match=r"Cannot write a checkpoint in .*\(Read-only file system\).*step 1 is saved"):
        checkpoints.save(3, tree_of(3), {})
    with pytest.warns(UserWarning, match="could not be moved"):
        assert checkpoints.restore()[0] == 1
    assert remount("rw")


def test_a_folder_without_permission_is_one_sentence(copies, monkeypatch):
    folder = next(copies)

    def forbidden(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as patch:  # root may do anything, so the refusal is played
        patch.setattr(pathlib.Path, "mkdir", forbidden)
        with pytest.raises(UserError, match="Cannot write a checkpoint .*Permission denied.*--workdir"):
            RunCheckpoints(folder).save(3, tree_of(3), {})
    with monkeypatch.context() as patch:
        patch.setattr(pathlib.Path, "read_bytes", forbidden)
        with pytest.raises(UserError, match="Cannot read .*MANIFEST"):
            RunCheckpoints(folder).restore()
    assert RunCheckpoints(folder).restore()[0] == 2  # what could not be read was not taken for damaged
