"""docs/reproduction.md is what was measured, and nothing in it is a difference outside the noise."""
import csv
import importlib.util
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "benchmarks" / "results").glob("reproduction_*.csv"))


def test_the_page_is_made_of_the_measured_rows():
    spec = importlib.util.spec_from_file_location("reproduction_table", ROOT / "docs" / "reproduction_table.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (ROOT / "docs" / "reproduction.md").read_text() == module.page() and FILES


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_interval_of_the_difference_holds_zero(path):
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            assert float(row["against_difference_low"]) < 0 < float(row["against_difference_high"]), row["method"]
