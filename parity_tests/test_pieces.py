"""The replay knows every golden file of training, of DS-SRD and of its self-supervised half."""
import numpy as np
import pytest

from parity_tests import golden_data, pieces, replay

PIECES = [path for kind in ("ds_srd", "self_supervised") for path in golden_data.files(kind)
          if replay.is_piece(golden_data.read(path))]


@pytest.mark.parametrize("path", PIECES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_file_of_single_functions_has_tests_that_read_it(path):
    folder = pieces.kind(golden_data.read(path))
    assert folder == path.parent.name and pieces.tests_of(folder, path.stem)


def test_no_training_step_is_taken_for_one():
    names = {path.stem for path in PIECES}
    assert not any(name.startswith("step_") for name in names) and {"mixing", "schedules", "losses"} <= names
    assert not any(replay.is_piece(golden_data.read(path)) for path in golden_data.files("trajectories"))


def test_a_wrong_number_in_a_given_file_is_noticed(tmp_path):
    path = next(path for path in PIECES if path.parts[-2:] == ("self_supervised", "schedules.npz"))
    arrays = dict(np.load(path))
    assert replay.attempt(path, False)[0] == 0
    key = next(key for key in arrays if arrays[key].ndim and arrays[key].dtype == np.float64)
    np.savez(tmp_path / "schedules.npz", **{**arrays, key: arrays[key] * 1.001})
    error, said = replay.attempt(tmp_path / "schedules.npz", False)
    assert error == float("inf") and "failed" in said
