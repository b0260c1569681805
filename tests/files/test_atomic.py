"""kdjax.files.atomic: old contents or new ones, never a mixture."""

import errno
import os

import pytest

from kdjax.files import atomic


def test_text_and_bytes_come_back_and_nothing_else_is_left(tmp_path):
    atomic.atomic_write_text(tmp_path / "a.json", "Größe\n")
    atomic.atomic_write_bytes(tmp_path / "b", b"\x00\xff")
    assert (tmp_path / "a.json").read_bytes() == "Größe\n".encode()
    assert (tmp_path / "b").read_bytes() == b"\x00\xff"
    assert sorted(os.listdir(tmp_path)) == ["a.json", "b"]


def test_a_failed_write_keeps_the_old_contents_and_cleans_up(tmp_path, monkeypatch):
    atomic.atomic_write_text(tmp_path / "a", "old")

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        atomic.atomic_write_text(tmp_path / "a", "new")
    assert (tmp_path / "a").read_text() == "old" and os.listdir(tmp_path) == ["a"]


def test_a_missing_folder_is_an_error_that_leaves_nothing(tmp_path):
    with pytest.raises(FileNotFoundError):
        atomic.atomic_write_text(tmp_path / "no" / "a", "x")
    assert not os.listdir(tmp_path)


def test_fsync_tree_walks_every_file(tmp_path):
    (tmp_path / "x" / "y").mkdir(parents=True)
    (tmp_path / "x" / "y" / "z").write_text("z")
    atomic.fsync_tree(tmp_path)
