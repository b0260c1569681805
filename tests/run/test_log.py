"""metrics.jsonl: cut where a resumed run begins, and what it has lost is said."""
import json
import warnings

import pytest

from kdjax.run.log import RunLog, missing


def written(folder, *epochs, stage="main") -> RunLog:
    log = RunLog(folder)
    for epoch in epochs:
        log.record("epoch", 5 * epoch, {"stage": stage, "epoch": epoch})
    return log


def test_lost_epochs_are_named_by_stage_and_the_run_goes_on(tmp_path):
    log = written(tmp_path, 1, 4, 5)
    with pytest.warns(UserWarning, match=r"metrics.jsonl has lost records: epochs 2-3, 6 of main; epochs 1 of ft: re"):
        log.rewind(30, {"main": 6, "ft: reconstruction": 1})
    assert [json.loads(line)["epoch"] for line in (tmp_path / "metrics.jsonl").read_text().splitlines()] == [1, 4, 5]


def test_a_file_that_is_gone_is_said_and_a_first_start_says_nothing(tmp_path):
    with pytest.warns(UserWarning, match="epochs 1-2 of main"):
        RunLog(tmp_path).rewind(10, {"main": 2})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        RunLog(tmp_path).rewind(-1, {})
        written(tmp_path, 1, 2).rewind(10, {"main": 2})
        RunLog(tmp_path, quiet=True).rewind(10, {"main": 9})


def test_a_row_that_cannot_be_read_counts_as_lost(tmp_path):
    log = written(tmp_path, 1, 2, 3)
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    (tmp_path / "metrics.jsonl").write_text("\n".join([lines[0], lines[1][:9], lines[2]]) + "\n")
    with pytest.warns(UserWarning, match="epochs 2 of main"):
        log.rewind(15, {"main": 3})


def test_nothing_is_missing_of_epochs_that_are_to_come():
    assert missing([], {}) == missing([], {"main": 0}) == ""
