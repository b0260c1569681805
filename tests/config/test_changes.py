"""kdjax.config.changes: a resumed run may change where and how loudly it runs, not what it is."""

import copy
import json

import pytest

from kdjax import config
from kdjax.config import changes
from kdjax.config.changes import meaning_changed


def defaults() -> dict:
    return config.default().to_dict()


def changed(**fields) -> list[str]:
    """The verdict on the default config with some fields changed; a__b stands for a.b."""
    new = copy.deepcopy(defaults())
    for name, value in fields.items():
        *blocks, last = name.split("__")
        node = new
        for block in blocks:
            node = node[block]
        node[last] = value
    return meaning_changed(json.loads(json.dumps(defaults())), new)


def test_a_config_equals_itself_after_a_trip_through_json_and_as_a_config_dict():
    assert meaning_changed(json.loads(json.dumps(defaults())), config.default()) == []
    assert meaning_changed({"a": (1, 2), "x": float("nan")}, {"a": [1.0, 2], "x": float("nan")}) == []


@pytest.mark.parametrize("fields", [
    {"method__name": "crd"}, {"loss__beta": 2.0}, {"student__name": "vgg8"}, {"teacher__name": "vgg13"}, {"seed": 1},
    {"data__dataset": "cifar100"}, {"data__batch_size": 32}, {"optim__momentum": 0.8}, {"replicas": 2},
    {"optim__schedule__milestones": (1, 2)}, {"train__dtype": "bfloat16"}, {"method__crd__temperature": 0.1},
    {"parallel": "pmap"}, {"train__init_epochs": 3}, {"a_field_of_tomorrow": 1},
])
def test_a_changed_meaning_is_named(fields):
    (field, value), = fields.items()
    (line,) = changed(**fields)
    assert line.startswith(field.replace("__", ".") + ": ") and line.endswith(f" -> {json.dumps(value)}")


@pytest.mark.parametrize("fields", [
    {"log__every_steps": 1}, {"log__plots": False}, {"checkpoint__keep": 5}, {"train__epochs": 300},
    {"train__steps": 9}, {"experiment__workdir": "x"}, {"data__dir": "x"}, {"data__cache_dir": "x"},
    {"train__on_nan": "skip"}, {"devices": 4},
    {"distributed__num_processes": 2}, {"data__eval_batch_size": 7}, {"train__deterministic": True},
])
def test_harmless_changes_pass(fields):
    assert changed(**fields) == []


def test_the_difference_shows_both_sides():
    assert sorted(changed(seed=3, loss__beta=0.5), reverse=True) == ["seed: 0 -> 3", "loss.beta: 1.0 -> 0.5"]
    only_here, only_there = {"seed": 1}, {"teacher": {"name": "x"}}
    assert meaning_changed(only_here, only_there) == ["seed: 1 -> absent", 'teacher.name: absent -> "x"']


def test_a_longer_run_is_another_run_when_the_rate_depends_on_the_length():
    cosine = {"optim": {"schedule": {"kind": "cosine"}}, "train": {"epochs": 10}}
    assert meaning_changed(cosine, cosine | {"train": {"epochs": 20}}) == ["train.epochs: 10 -> 20"]


def test_the_number_of_devices_matters_only_under_pmap():
    pmap = {"parallel": "pmap", "devices": 1}
    assert meaning_changed(pmap, pmap | {"devices": 2}) == ["devices: 1 -> 2"]


def test_a_prefix_is_a_whole_name():
    assert meaning_changed({"logits": 1}, {"logits": 2}) == ["logits: 1 -> 2"]


def test_a_field_that_an_older_kdjax_did_not_have_counts_with_its_default():
    old, new = defaults(), defaults()
    del old["train"]["dtype"], old["method"]["dkd"]
    assert meaning_changed(old, new) == [] and meaning_changed(new, old) == []
    new["train"]["dtype"] = "bfloat16"
    assert meaning_changed(old, new) == ['train.dtype: absent -> "bfloat16"']


def test_a_run_that_has_the_names_of_before_is_the_same_run():
    old = json.loads(json.dumps(defaults()))
    for before, now in {"hint": "fitnet", "attention": "at", "abound": "ab", "factor": "ft"}.items():
        old["method"][before] = old["method"].pop(now)
    assert meaning_changed(old, defaults()) == []
    old["method"]["hint"]["layer"] = 3
    assert meaning_changed(old, defaults()) == ["method.fitnet.layer: 3 -> 2"]


def test_every_rule_of_the_table_is_known():
    assert {field.may_change for field in config.FIELDS.values()} <= set(changes.RULES)
