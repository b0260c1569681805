"""The config's fields, their page, and how a command line becomes a config."""
import copy
import json
import os
import pathlib
import subprocess
import sys

import pytest

from kdjax import config, main
from kdjax.config.walk import flat, get

ROOT = pathlib.Path(__file__).resolve().parents[2]


def test_every_field_of_the_table_is_in_the_config_and_has_its_sentence():
    assert set(config.FIELDS) == set(flat(config.default()))
    assert all(len(field.meaning) > 8 for field in config.FIELDS.values())


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


@pytest.mark.parametrize(("before", "now"), [("hint.layer", "fitnet.layer"), ("attention.p", "at.p"),
                                             ("abound.margin", "ab.margin"), ("factor.rate", "ft.rate")])
def test_the_names_of_before_are_understood(before, now):
    """On the command line, in a config file, in a copy, and in one that is locked."""
    old, new = f"method.{before}", f"method.{now}"
    assert get(main.parse(["--config=configs/kd.py", f"--config.{old}=3"]), new) == 3
    c = copy.deepcopy(config.default())
    block, leaf = before.split(".")
    c.method[block][leaf] = 3
    c.lock()
    assert get(c, new) == get(c, old) == 3 and getattr(getattr(c.method, block), leaf) == 3
    assert block in c.method and block not in set(c.method) and new in flat(c) and old not in flat(c)
    c.method.update({block: {leaf: 4}})
    assert get(c, new) == 4 and set(flat(c)) == set(config.FIELDS)


def test_there_is_no_field_of_an_old_name_in_what_is_written():
    method = json.loads(config.default().to_json())["method"]
    assert {"fitnet", "at", "ab", "ft"} <= set(method) and not {"hint", "attention", "abound", "factor"} & set(method)
