"""The report's numbers are recomputed here from the run folders in plain NumPy, without kdjax.tables."""
import json
import shutil

import numpy as np
import pytest

from kdjax import report
from kdjax.errors import UserError

T_975 = {1: 12.7062047364, 2: 4.3026527299}  # Student's t, 97.5%, by degrees of freedom (any printed table)


def cells(capsys, *argv) -> list[dict]:
    """The cells that --json prints."""
    assert report.main([*map(str, argv), "--json"]) == 0
    return json.loads(capsys.readouterr().out)["cells"]


def one(found, method, **fields) -> dict:
    """The one cell of a method."""
    (cell,) = [c for c in found if c["method"] == method and all(c[k] == v for k, v in fields.items())]
    return cell


def finals(root, method, key="last") -> np.ndarray:
    """The accuracies that the runs of a method wrote down, straight from result.json."""
    results = [json.loads(path.read_text()) for path in sorted(root.glob("*/result.json"))]
    return np.array([r[key]["top1"] for r in results if r["method"] == [method]])


def test_mean_deviation_interval_and_best_are_those_of_the_run_folders(seven, capsys):
    found = cells(capsys, seven)
    for method in ("kd", "vanilla"):
        cell, last, best = one(found, method), finals(seven, method), finals(seven, method, "best")
        half = T_975[2] * last.std(ddof=1) / np.sqrt(3)
        got = [cell[k] for k in ("mean", "sd", "ci_low", "ci_high", "best_mean", "best_sd")]
        want = [last.mean(), last.std(ddof=1), last.mean() - half, last.mean() + half, best.mean(), best.std(ddof=1)]
        assert cell["n"] == 3
        np.testing.assert_allclose(got, want, rtol=1e-9)


def test_the_published_number_its_source_and_the_difference_stand_beside(seven, capsys):
    found = cells(capsys, seven)
    kd, crd, alone = one(found, "kd"), one(found, "crd"), one(found, "vanilla")
    assert (kd["published"], crd["published"], alone["published"]) == (70.66, 71.16, 69.06)
    assert kd["source"] == "RepDistiller README" and kd["teacher_published"] == 72.34
    last = finals(seven, "kd")
    half = T_975[2] * last.std(ddof=1) / np.sqrt(3)
    np.testing.assert_allclose([kd["difference"], kd["difference_low"], kd["difference_high"]],
                               last.mean() - 70.66 + np.array([0, -half, half]), rtol=1e-9)


def test_the_gain_over_the_student_alone_has_welchs_interval(seven, capsys):
    cell, a, b = one(cells(capsys, seven), "kd"), finals(seven, "kd"), finals(seven, "vanilla")
    va, vb = a.var(ddof=1) / 3, b.var(ddof=1) / 3
    freedom = (va + vb) ** 2 / (va**2 / 2 + vb**2 / 2)
    rng = np.random.default_rng(0)  # the quantile by simulation: no formula shared with the report
    t = np.quantile(np.abs(rng.standard_t(freedom, 2_000_000)), 0.95)
    half = t * np.sqrt(va + vb)
    assert cell["gain"] == pytest.approx(a.mean() - b.mean(), rel=1e-9)
    assert cell["gain_high"] - cell["gain"] == pytest.approx(half, rel=5e-3)
    assert cell["vanilla_mean"] == pytest.approx(b.mean(), rel=1e-12)


def test_a_single_run_has_neither_deviation_nor_interval_and_json_has_no_nan(seven, capsys):
    cell = one(cells(capsys, seven), "crd")
    assert cell["n"] == 1 and cell["sd"] is None and cell["ci_low"] is None and cell["gain_low"] is None
    report.main([str(seven), "--json"])
    json.loads(capsys.readouterr().out, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))


def test_runs_of_different_settings_never_share_a_mean(make_run, tmp_path, capsys):
    make_run("a", seed=0, tops=(1.0, 70.0))
    make_run("b", seed=1, tops=(1.0, 71.0))
    make_run("c", seed=0, tops=(1.0, 60.0), **{"loss.kd_temperature": 8.0})
    make_run("d", seed=0, tops=(1.0, 2.0, 80.0))
    found = cells(capsys, tmp_path / "runs")
    assert sorted((c["n"], c["mean"]) for c in found) == [(1, 60.0), (1, 80.0), (2, 70.5)]
    assert any("loss.kd_temperature=8" in c["variant"] for c in found)
    assert all(c["published"] is None for c in found if c["variant"])


def test_the_student_alone_counts_only_under_the_same_protocol(make_run, tmp_path, capsys):
    make_run("kd", tops=(1.0, 70.0))
    make_run("longer", method="vanilla", tops=(1.0, 2.0, 69.0))
    assert one(cells(capsys, tmp_path / "runs"), "kd")["gain"] is None
    make_run("same", method="vanilla", tops=(1.0, 68.0))
    assert one(cells(capsys, tmp_path / "runs"), "kd")["gain"] == pytest.approx(2.0)


def test_a_copied_run_is_counted_once_and_said(seven, capsys):
    shutil.copytree(seven / "kd-0", seven / "kd-0-again")
    assert one(cells(capsys, seven), "kd")["n"] == 3
    report.main([str(seven)])
    assert "kd-0-again is a copy" in capsys.readouterr().out


def test_the_same_folder_given_twice_counts_once(seven, capsys):
    assert one(cells(capsys, seven, seven, seven / "kd-1"), "kd")["n"] == 3


def test_unfinished_and_failed_runs_are_named_and_not_counted(seven, make_run, capsys):
    make_run("itrd-0", method="itrd", done=False, tops=(10.0, 20.0, 30.0))
    (seven / "sweep.json").write_text(json.dumps({"runs": {"ft-0": {
        "state": "failed", "method": "ft", "student": "resnet20", "seed": 3, "why": "error: ft is not finite"},
        "sp-0": {"state": "waiting", "method": "sp"}, "kd-0": {"state": "failed", "why": "older news"}}}))
    assert report.main([str(seven), "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert [f["why"] for f in data["failed"]] == ["error: ft is not finite"]
    assert [(u["method"], u["why"]) for u in data["unfinished"]] == [
        ("itrd", "epoch 2 of 3, top-1 20.00"), ("sp", "not started yet")]
    assert not [c for c in data["cells"] if c["method"] in ("itrd", "ft")]
    report.main([str(seven)])
    out = capsys.readouterr().out
    assert "ft is not finite" in out and "epoch 2 of 3" in out


def test_a_run_that_is_being_continued_to_more_epochs_is_unfinished(make_run, tmp_path, capsys):
    folder = make_run("kd")
    config = json.loads((folder / "config.json").read_text())
    config["config"]["train"]["epochs"] = 5
    (folder / "config.json").write_text(json.dumps(config))
    assert cells(capsys, tmp_path / "runs") == []


@pytest.mark.parametrize("damage", ["{", "[]", '{"last": {"top1": NaN}}', '{"last": {"top1": 170}}', '{"last": 3}'])
def test_a_damaged_result_is_a_failed_run(seven, damage, capsys):
    (seven / "kd-0" / "result.json").write_text(damage)
    assert one(cells(capsys, seven), "kd")["n"] == 2
    report.main([str(seven)])
    assert "result.json is damaged" in capsys.readouterr().out


def test_a_half_written_line_of_metrics_does_no_harm(seven, capsys):
    with (seven / "kd-0" / "metrics.jsonl").open("a") as file:
        file.write('{"kind": "epoch", "epoch": 4, "test_t')
    assert one(cells(capsys, seven), "kd")["n"] == 3


def test_teachers_that_runs_were_taught_by_are_no_runs_of_the_table(make_run, tmp_path, capsys):
    teacher = make_run("teachers/resnet56", method="vanilla", student="resnet56")
    make_run("kd", **{"teacher.checkpoint": str(teacher / "student")})
    assert [c["method"] for c in cells(capsys, tmp_path / "runs")] == ["kd"]
    assert [c["student"] for c in cells(capsys, teacher)] == ["resnet56"]


def test_the_students_alone_of_demos_are_found_inside_their_runs(make_run, tmp_path, capsys):
    make_run("kd")
    make_run("kd/alone", method="vanilla", tops=(20.0, 58.0))
    make_run("kd/teacher", method="vanilla", student="resnet56")
    found = cells(capsys, tmp_path / "runs")
    assert sorted(c["method"] for c in found) == ["kd", "vanilla"]
    assert one(found, "kd")["gain"] == pytest.approx(2.0)


def test_a_kl_term_beside_a_method_is_its_own_row(make_run, tmp_path, capsys):
    make_run("crd", method="crd")
    make_run("crd-kd", method="crd", **{"loss.alpha": 1.0})
    found = cells(capsys, tmp_path / "runs")
    assert [(c["method"], c["published"]) for c in found] == [("crd", 71.16), ("crd+kd", 71.63)]


def test_a_short_training_is_not_passed_off_as_the_published_protocol(seven, capsys):
    report.main([str(seven)])
    assert "published numbers are after 240 epochs; these runs have 3" in capsys.readouterr().out


def test_nothing_to_report_is_one_sentence(tmp_path):
    with pytest.raises(UserError, match="no run under"):
        report.main([str(tmp_path)])
    with pytest.raises(UserError, match="is not a folder"):
        report.main([str(tmp_path / "nowhere")])


def test_another_program_is_another_row_and_no_student_alone(make_run, tmp_path, capsys):
    make_run("ds", method="vanilla", program="double_student", tops=(1.0, 75.0), **{"teacher.name": "resnet56"})
    make_run("alone", method="vanilla", tops=(1.0, 70.0))
    found = cells(capsys, tmp_path / "runs")
    assert sorted((c["method"], c["teacher"]) for c in found) == [("double_student", "resnet56"), ("vanilla", "")]
    assert one(found, "double_student")["gain"] == pytest.approx(5.0)


def test_settings_of_other_methods_split_no_row_and_those_of_its_own_do(make_run, tmp_path, capsys):
    make_run("a", method="vanilla", tops=(1.0, 70.0), **{"method.itrd.alpha": 1.01, "loss.kd_temperature": 2.0})
    make_run("b", method="vanilla", tops=(1.0, 70.0))  # the same training once more, beside another method
    make_run("c", method="vanilla", seed=1, tops=(1.0, 71.0), **{"method.crd.num_negatives": 64})
    make_run("d", method="itrd", tops=(1.0, 72.0), **{"method.itrd.alpha": 1.01})
    make_run("e", method="itrd", seed=1, tops=(1.0, 73.0), **{"method.itrd.alpha": 1.5})
    found = cells(capsys, tmp_path / "runs")
    assert one(found, "vanilla")["n"] == 2 and one(found, "vanilla")["mean"] == 70.5
    assert sorted(c["variant"] for c in found if c["method"] == "itrd") == [
        "method.itrd.alpha=1.01", "method.itrd.alpha=1.5"]
