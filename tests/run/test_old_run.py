"""A run folder made by the kdjax of before the rooms (commit 8caf158) continues, and ends where that kdjax ended.

old_run/run was stopped after 2 of 4 epochs of crd and ft (with a pre-stage, banks and several adapters); expected is
the student that the same program exported after 4.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
from safetensors.numpy import load_file

from kdjax.run.resume import seeded

HERE, ROOT = pathlib.Path(__file__).parent / "old_run", pathlib.Path(__file__).resolve().parents[2]
WORDS = ("--config=configs/crd.py:dataset=digits --config.method.names=crd,ft --config.method.weights=0.8,1 "
         "--config.student.name=tiny_nets:Tiny --config.teacher.name=tiny_nets:Tiny "
         "--config.teacher.checkpoint=teacher "
         "--config.teacher.min_accuracy=0 --config.train.epochs=4 --config.train.init_epochs=1 "
         "--config.data.per_class=12 --config.data.batch_size=20 --config.method.feat_dim=4 --config.devices=1 "
         "--config.method.crd.num_negatives=9 --config.log.plots=False --config.log.tensorboard=False --workdir=run")


def test_a_run_of_the_kdjax_before_the_rooms_continues_to_the_same_student(tmp_path):
    folder = shutil.copytree(HERE, tmp_path / "here")
    done = subprocess.run([sys.executable, "-m", "kdjax.main", *WORDS.split()], cwd=folder, capture_output=True,
                          text=True, env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{folder}"}, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "continuing from step 18 (main, epoch 2)" in done.stdout
    got, want = load_file(folder / "run/student/weights.safetensors"), load_file(folder / "expected.safetensors")
    assert got.keys() == want.keys()
    for name, value in want.items():  # bit for bit on the machine that made it; another CPU may round otherwise
        np.testing.assert_allclose(got[name], value, rtol=2e-4, atol=2e-6, err_msg=name)
    epochs = [json.loads(line) for line in (folder / "run/metrics.jsonl").read_text().splitlines() if '"epoch"' in line]
    assert [row["epoch"] for row in epochs if row["kind"] == "epoch" and row["stage"] == "main"] == [1, 2, 3, 4]


def test_the_images_of_a_class_that_an_old_run_chose_by_its_seed_are_not_exchanged():
    before = {"seed": 3, "data": {"per_class": 12}}
    assert seeded(before)["data"]["per_class_seed"] == 3
    assert seeded({"seed": 3, "data": {"per_class": 0}}) == {"seed": 3, "data": {"per_class": 0}}
    assert seeded({"seed": 3, "data": {"per_class": 12, "per_class_seed": 0}})["data"]["per_class_seed"] == 0
