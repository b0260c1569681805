"""The papers' accuracies on CIFAR-100 (published.csv: spec/protocols.md section 8), by method and pair."""
from __future__ import annotations

import csv
import functools
from importlib import resources
from typing import NamedTuple

from kdjax.tables import naming

DATASET, EPOCHS = "cifar100", 240


class Published(NamedTuple):
    """A published top-1 in percent and who published it."""

    top1: float
    source: str


@functools.cache
def rows() -> tuple[dict, ...]:
    """The table as it is packaged: method, teacher, student, teacher_acc, student_vanilla_acc, student_acc, source."""
    text = resources.files("kdjax.tables").joinpath("published.csv").read_text(encoding="utf-8")
    return tuple(csv.DictReader(text.splitlines()))


def student(method: str, teacher: str, name: str, dataset: str) -> Published | None:
    """What a method reached for a pair; `vanilla` is the student alone, whatever the teacher."""
    if dataset != DATASET:
        return None
    if method == "vanilla":
        return _table("student_vanilla_acc").get(name)
    return _table(method).get((teacher, name))


def teacher(name: str, dataset: str) -> Published | None:
    """What a teacher reached."""
    return _table("teacher_acc").get(name) if dataset == DATASET else None


@functools.cache
def _table(what: str) -> dict:
    """{key: Published} of one method (key: the pair), or of a column that belongs to one network (key: its name)."""
    found = {}
    for row in rows():
        if what == "teacher_acc":
            found.setdefault(row["teacher"], Published(float(row[what]), row["source"]))
        elif what == "student_vanilla_acc":
            found.setdefault(row["student"], Published(float(row[what]), row["source"]))
        elif naming.from_paper(row["method"]) == what:
            found.setdefault((row["teacher"], row["student"]), Published(float(row["student_acc"]), row["source"]))
    return found
