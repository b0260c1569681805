"""Folders with checkpoints to spoil, and a disk to fill."""

import itertools
import os
import pathlib
import shutil
import subprocess

import pytest

from kdjax.io.run_checkpoint import RunCheckpoints
from tests.io.checkpoint_child import tree_of


@pytest.fixture(scope="session")
def two_steps(tmp_path_factory):
    folder = tmp_path_factory.mktemp("original") / "checkpoints"
    for step in (1, 2):
        RunCheckpoints(folder).save(step, tree_of(step), {"epoch": step})
    return folder


@pytest.fixture
def copies(two_steps, tmp_path):
    """Yields fresh copies of the two-step folder, one after the other."""
    return (pathlib.Path(shutil.copytree(two_steps, tmp_path / str(n))) for n in itertools.count())


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 4 MB of its own: (folder, remount)."""
    def mount(*options):
        return subprocess.run(["mount", *options, str(tmp_path)], capture_output=True, check=False).returncode == 0

    if os.getuid() != 0 or not shutil.which("mount") or not mount("-t", "tmpfs", "-o", "size=4m", "tmpfs"):
        pytest.skip("mounting a small disk needs root")
    yield tmp_path, lambda mode: mount("-o", f"remount,{mode}")
    subprocess.run(["umount", str(tmp_path)], check=True)
