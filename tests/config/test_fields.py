"""The config's fields, their page, and how a command line becomes a config."""
import os
import pathlib
import subprocess
import sys

from kdjax import config, main
from kdjax.config.check import flat

ROOT = pathlib.Path(__file__).resolve().parents[2]


def test_every_documented_field_exists():
    assert set(config.DOCS) <= set(flat(config.default()))


def test_a_field_set_in_one_config_is_not_set_in_the_next():
    """Optional fields are placeholders, which keep a value across configs when the object is shared."""
    before, one = flat(config.default()), config.default()
    for name, (kind, value) in flat(one).items():
        if value is None:
            *folders, leaf = name.split(".")
            block = one
            for folder in folders:
                block = block[folder]
            block[leaf] = kind(7)
    assert all(value is not None for _, value in flat(one).values())
    assert flat(config.default()) == before


def test_the_page_of_fields_is_current():
    made = subprocess.run([sys.executable, "docs/config_table.py"], cwd=ROOT, capture_output=True, text=True,
                          check=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert made.stdout == (ROOT / "docs/config.md").read_text()


def test_the_originals_flags_translate_one_to_one():
    words = ["--distill", "crd", "--path_t", "teachers/resnet56", "--model_s", "resnet20", "-r", "0.5", "-a", "1", "-b",
             "0.8", "--trial", "3"]
    c = main.parse(words)
    assert (c.method.name, c.teacher.checkpoint, c.student.name) == ("crd", "teachers/resnet56", "resnet20")
    assert (c.loss.gamma, c.loss.alpha, c.loss.beta, c.experiment.trial) == (0.5, 1.0, 0.8, 3)
