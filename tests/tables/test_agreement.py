"""Agreement and calibration against sums done by hand, and measured on a run that was written by hand."""
import json

import jax
import numpy as np
import pytest

from kdjax import models, report
from kdjax.data import stats, views
from kdjax.data.readers import digits
from kdjax.tables import agreement
from kdjax.weights.folder import save_network

LOGITS = np.log(np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.55, 0.45]]))


def test_agreement_is_the_share_of_equal_answers():
    other = np.array([[2.0, 1], [0, 1], [0, 1], [3, 1]])
    assert agreement.top1_agreement(LOGITS, other) == 75.0


def test_the_divergence_is_that_of_the_teacher_from_the_student():
    p, q = np.array([0.5, 0.5]), np.array([0.9, 0.1])
    want = sum(p * np.log(p / q))
    assert agreement.divergence(np.log(q)[None] + 7, np.log(p)[None] - 3) == pytest.approx(want, rel=1e-12)
    assert agreement.divergence(LOGITS, LOGITS) == pytest.approx(0, abs=1e-15)


def test_the_calibration_error_is_the_weighted_gap_of_confidence_and_accuracy():
    labels = np.array([0, 1, 1, 0])  # confidences 0.9 right, 0.6 wrong, 0.8 right, 0.55 right; two of ten bins share
    gaps = [abs(1 - 0.9), abs(1 - 0.8), abs(0.5 - (0.6 + 0.55) / 2) * 2]
    assert agreement.calibration_error(LOGITS, labels, bins=10) == pytest.approx(100 * sum(gaps) / 4, rel=1e-9)
    perfect = np.array([[50.0, 0], [0, 50.0]])
    assert agreement.calibration_error(perfect, np.array([0, 1])) == pytest.approx(0, abs=1e-9)


@pytest.fixture
def trained(make_run, tmp_path):
    """A run on the digits whose student and teacher are untrained networks, with the accuracy they really have."""
    data, (mean, std) = digits.read(), stats.STATS["digits"]
    pictures = views.normalize(data.test.images, mean, std)
    nets = {}
    for name, seed in (("student", 0), ("teacher", 1)):
        net = models.build("wrn_10_1", num_classes=10)
        variables = net.init(jax.random.key(seed))
        nets[name] = (net, variables, np.asarray(net.apply(variables, pictures, train=False)[0].logits))
    top = 100 * float(np.mean(nets["student"][2].argmax(1) == data.test.labels))
    folder = make_run("kd", dataset="digits", student="wrn_10_1", teacher="wrn_10_1", tops=(1.0, top),
                      **{"teacher.checkpoint": str(tmp_path / "teacher")})
    save_network(folder / "student", *nets["student"][:2])
    save_network(tmp_path / "teacher", *nets["teacher"][:2])
    return folder, nets["student"][2], nets["teacher"][2], data.test.labels


def test_a_run_is_measured_once_from_what_it_left_behind(trained, capsys, monkeypatch):
    folder, student, teacher, labels = trained
    assert report.main([str(folder), "--agreement", "--json"]) == 0
    (cell,) = json.loads(capsys.readouterr().out)["cells"]
    want = [agreement.top1_agreement(student, teacher), agreement.divergence(student, teacher),
            agreement.calibration_error(student, labels)]
    np.testing.assert_allclose([cell[k] for k in ("teacher_agreement", "teacher_kl", "ece")], want, rtol=1e-3)
    monkeypatch.setattr(agreement, "measure", lambda *_: pytest.fail("measured again"))
    report.main([str(folder), "--agreement"])
    assert "agreement %" in capsys.readouterr().out


def test_a_student_that_alone_is_not_what_was_evaluated_is_not_measured(trained, capsys):
    folder = trained[0]
    result = json.loads((folder / "result.json").read_text())
    result["last"]["top1"] += 20
    (folder / "result.json").write_text(json.dumps(result))
    report.main([str(folder), "--agreement"])
    assert "the run says" in capsys.readouterr().out and not (folder / "agreement.json").exists()


def test_code_that_a_run_folder_names_is_not_run(trained, tmp_path, monkeypatch, capsys):
    """A run folder may come from a stranger: config.json must not choose what is imported."""
    folder = trained[0]
    (tmp_path / "evil_module.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "teacher.pth").write_bytes(b"x")
    config = json.loads((folder / "config.json").read_text())
    config["config"]["teacher"] |= {"name": "evil_module:Evil", "checkpoint": str(tmp_path / "teacher.pth")}
    config["config"]["student"]["name"] = config["config"]["method"]["name"] = "evil_module:Evil"
    (folder / "config.json").write_text(json.dumps(config))
    report.main([str(folder), "--agreement"])
    assert not (tmp_path / "ran").exists() and "is not measured" in capsys.readouterr().out
