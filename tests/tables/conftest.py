"""Run folders written by hand: what a run leaves behind, without the run."""
import json

import pytest

from kdjax.config.fields import default


@pytest.fixture
def make_run(tmp_path):
    """Writes a run folder. tops: test top-1 after each epoch; done: whether it finished; set: config fields."""
    def write(name, method="kd", teacher="resnet56", student="resnet20", dataset="cifar100", seed=0, tops=(50.0, 60.0),
              done=True, seconds=100.0, root=tmp_path / "runs", teacher_top1=72.5, **fields):
        config = default()
        config.update_from_flattened_dict({
            "method.name": method, "student.name": student, "data.dataset": dataset, "seed": seed,
            "teacher.name": "" if method == "vanilla" else teacher, "train.epochs": len(tops),
            "loss.alpha": 0.9 if method == "kd" else 0.0, **fields})
        folder = root / name
        folder.mkdir(parents=True)
        (folder / "config.json").write_text(json.dumps({"config": json.loads(config.to_json())}))
        entry = lambda epoch: {"epoch": epoch, "top1": tops[epoch - 1], "top5": 95.0, "loss": 1.0}
        rows = [{"kind": "epoch", "step": 10 * e, "stage": "main", "epoch": e, "test_top1": tops[e - 1]}
                for e in range(1, len(tops) + 1)]
        if not done:
            rows = rows[:-1]
        (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        result = {"method": [method], "student": student, "teacher": "" if method == "vanilla" else teacher,
                  "dataset": dataset, "seed": seed, "epochs": len(tops), "steps": 0, "last": entry(len(tops)),
                  "best": max(map(entry, range(1, len(tops) + 1)), key=lambda e: e["top1"]),
                  "teacher_accuracy": None if method == "vanilla" else {"top1": teacher_top1, "top5": 93.0},
                  "wall_clock_seconds": seconds, "images_per_second": 1000.0}
        if done:
            (folder / "result.json").write_text(json.dumps(result))
        return folder
    return write


@pytest.fixture
def seven(make_run, tmp_path):
    """Two pairs, three methods, up to three seeds; returns the folder."""
    for seed, top in enumerate((70.1, 70.9, 70.4)):
        make_run(f"kd-{seed}", seed=seed, tops=(50.0 + seed, 71.0 + seed / 10, top))
        make_run(f"vanilla-{seed}", method="vanilla", seed=seed, tops=(45.0, 66.0, top - 1.5 - seed / 10), seconds=60.0)
    make_run("crd-0", method="crd", tops=(40.0, 60.0, 71.3), seconds=200.0)
    return tmp_path / "runs"
