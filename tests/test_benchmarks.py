"""The benchmarks' own arithmetic: the page from figures, and the check that fails when a ratio fell."""
import json
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from benchmarks import page

STEP = {"rows": [{"pair": "a/b", "method": "kd", "ms": {"kdjax": 100.0, "torch": 120.0, "kdjax given": 50.0}}]}
RUN = {"pair": "a/b", "dataset": "digits", "epochs": 2,
       "rows": {"kd": {"torch": 30.0, "kdjax": 20.0, "kdjax cached": 10.0}},
       "total": {"torch": 30.0, "kdjax": 20.0, "kdjax cached": 10.0}}

WHOLE = "run a/b digits 2 epochs: torch"


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.setattr(page, "RESULTS", tmp_path)
    for name, figures in (("step", STEP), ("run", RUN)):
        (tmp_path / f"{name}.json").write_text(json.dumps(figures))
    return tmp_path


def test_the_page_shows_the_figures_and_leaves_the_rest(results):
    text = page.write("# Speed\n<!-- step -->\nold\n<!-- end -->\nkept\n<!-- growth -->\nnot measured\n<!-- end -->\n")
    assert "| a -> b | kd | 100.0 | 120.0 | 50.0 | 1.20 |" in text
    assert "old" not in text
    assert "kept" in text and "not measured" in text
    assert page.write(text) == text


def test_the_page_of_the_methods_shows_what_each_costs(results):
    rows = [{"method": "at", "times_kd": 1.254, "memory_times_kd": 0.5}]
    (results / "methods.json").write_text(json.dumps({"rows": rows}))
    text = "| `kd` | a | b | - | c | d |\n| `at` (`x`) | a | b | 9 | c | d |\n| `sp` | a | b | 9 | c | d |\n| `at` |\n"
    assert page.costs(text) == ("| `kd` | a | b | 1, 1 | c | d |\n| `at` (`x`) | a | b | 1.25, 0.50 | c | d |\n"
                                "| `sp` | a | b | - | c | d |\n| `at` |\n")


def test_the_costs_in_the_page_of_the_methods_are_the_measured_ones():
    assert page.costs(page.METHODS_PAGE.read_text()) == page.METHODS_PAGE.read_text()


def test_a_ratio_that_falls_by_more_than_a_tenth_fails(results):
    now = page.ratios()
    assert now == {"step a/b kd: torch / kdjax": 1.2, "step a/b kd: torch / kdjax given": 2.4,
                   f"{WHOLE} / kdjax": 1.5, f"{WHOLE} / kdjax cached": 3.0}
    assert page.fallen(now, now) == []
    assert page.fallen({**now, f"{WHOLE} / kdjax": 1.66}, now) == []
    assert page.fallen({**now, f"{WHOLE} / kdjax": 1.68}, now) == [f"{WHOLE} / kdjax: 1.50, accepted 1.68"]


def test_a_table_of_some_sides_and_a_part_of_the_images_says_so(results):
    some = {**RUN, "per_class": 20, "rows": {"kd": {"torch": 30.0, "kdjax cached": 10.0}},
            "total": {"torch": 30.0, "kdjax cached": 10.0}}
    (results / "run.json").write_text(json.dumps(some))
    assert f"{WHOLE} / kdjax" not in page.ratios() and page.ratios()[f"{WHOLE} / kdjax cached"] == 3.0
    assert page.run_table(some).splitlines()[0] == "a -> b, digits, 20 images of every class, 2 epochs, seconds."
    assert "| all | 30.0 | 10.0 | 3.00 |" in page.run_table(some)


def test_the_page_has_a_place_for_every_table():
    text = page.PAGE.read_text()
    for name in page.TABLES:
        assert f"<!-- {name} -->\n" in text
