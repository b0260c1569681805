"""Folders with checkpoints to spoil."""

import itertools
import pathlib
import shutil

import pytest

from kdjax.run.checkpoints import RunCheckpoints
from tests.run.checkpoint_child import tree_of


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
