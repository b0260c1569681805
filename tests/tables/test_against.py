"""Another program's accuracies beside ours."""
import json

import numpy as np
import pytest

from kdjax import report
from kdjax.errors import UserError

HEAD = "protocol,method,seed,epoch,test_top1\n"


@pytest.fixture
def ours(make_run, tmp_path):
    """Three seeds of kd and at on a data set called cifar10_2k."""
    for seed in range(3):
        make_run(f"kd-{seed}", seed=seed, dataset="data/cifar10_2k.npz", tops=(20.0, 31.0 + seed))
        make_run(f"at-{seed}", method="at", seed=seed, dataset="data/cifar10_2k.npz", tops=(20.0, 34.0 - seed))
    return tmp_path / "runs"


def cells(capsys, *argv) -> dict:
    report.main([*map(str, argv), "--json"])
    return {c["method"]: c for c in json.loads(capsys.readouterr().out)["cells"]}


def test_the_last_epoch_of_each_seed_counts_under_the_originals_names_and_protocol(ours, tmp_path, capsys):
    rows = [("2k", "kd", s, e, v) for s in range(4) for e, v in ((1, 1.0), (2, 30.0 + s))]
    rows += [("2k", "attention", 0, 2, 33.0), ("2k", "attention", 1, 2, 35.0), ("10k", "kd", 0, 2, 99.0)]
    (tmp_path / "theirs.csv").write_text(HEAD + "".join(",".join(map(str, row)) + "\n" for row in rows))
    found = cells(capsys, ours, "--against", tmp_path / "theirs.csv")
    theirs, own = np.array([30.0, 31, 32, 33]), np.array([31.0, 32, 33])
    assert found["kd"]["against"]["n"] == 4
    assert found["kd"]["against"]["mean"] == pytest.approx(theirs.mean())
    assert found["kd"]["against"]["sd"] == pytest.approx(theirs.std(ddof=1))
    assert found["kd"]["against_difference"] == pytest.approx(own.mean() - theirs.mean())
    assert found["at"]["against"]["mean"] == pytest.approx(34.0)
    assert found["kd"]["against_difference_low"] < found["kd"]["against_difference"] < 5


def test_our_own_csv_is_such_a_table_and_agrees_with_itself(ours, tmp_path, capsys):
    report.main([str(ours), "--out", str(tmp_path / "own.csv")])
    capsys.readouterr()
    found = cells(capsys, ours, "--against", tmp_path / "own.csv")
    assert {c["against"]["n"] for c in found.values()} == {3}
    assert all(c["against_difference"] == pytest.approx(0, abs=1e-12) for c in found.values())


def test_two_protocols_that_both_fit_must_be_chosen_between(ours, make_run, tmp_path, capsys):
    make_run("other", method="sp", dataset="digits")
    (tmp_path / "theirs.csv").write_text(HEAD + "1k,sp,0,1,3\n10k,sp,0,1,4\n")
    with pytest.raises(UserError, match="protocol=10k"):
        report.main([str(ours), "--against", str(tmp_path / "theirs.csv")])
    assert cells(capsys, ours, "--against", f"{tmp_path / 'theirs.csv'}:protocol=1k")["sp"]["against"]["mean"] == 3


@pytest.mark.parametrize(("text", "says"), [
    ("a,b\n1,2\n", "needs the columns method"), ("method,test_top1\nkd,many\n", "hold numbers"),
    ("method,test_top1\nkd,nan\n", "not finite"), ("method,test_top1\nitrd,3\n", "no row of")])
def test_a_table_that_cannot_be_compared_is_one_sentence(ours, tmp_path, text, says):
    (tmp_path / "theirs.csv").write_text(text)
    with pytest.raises(UserError, match=says):
        report.main([str(ours), "--against", str(tmp_path / "theirs.csv")])
    with pytest.raises(UserError, match="cannot read"):
        report.main([str(ours), "--against", str(tmp_path / "nowhere.csv")])


def test_the_means_of_the_original_programs_are_those_that_their_page_gives(shared, make_run, tmp_path, capsys):
    for method in ("vanilla", "kd", "at", "sp", "crd", "itrd"):
        make_run(method, method=method, teacher="wrn_10_2", student="wrn_10_1", dataset="cifar10_2k.npz")
    found = cells(capsys, tmp_path / "runs", "--against", shared / "golden/reproduction/original_accuracies.csv")
    said = {"vanilla": (34.27, 0.89), "kd": (31.37, 2.13), "at": (34.95, 1.50), "sp": (32.03, 2.14),
            "crd": (31.99, 1.61), "itrd": (43.55, 1.25)}
    for method, (mean, sd) in said.items():
        assert (round(found[method]["against"]["mean"], 2), round(found[method]["against"]["sd"], 2)) == (mean, sd)
        assert found[method]["against"]["n"] == 5
