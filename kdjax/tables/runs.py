"""Run folders as records: what ran, what came out, how far it got. Everything is read, nothing is believed twice.

A folder is a run when it holds config.json, metrics.jsonl or result.json (docs/runs.md). A run is finished when its
result.json belongs to the length that its config.json asks for: a run that is being continued to more epochs is not.
"""
from __future__ import annotations

import dataclasses
import json
import math
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from kdjax.errors import UserError
from kdjax.tables import naming

FILES = ("config.json", "metrics.jsonl", "result.json")
LEDGER = "sweep.json"  # what a sweep planned, and what became of each run


@dataclasses.dataclass(frozen=True)
class Record:
    """One run. state: finished, unfinished, failed or waiting; why: in words, for those that are not finished.

    fields: the config, flat ("loss.beta": 1.0). last, best: {"top1", "top5", "loss", "epoch"} in percent.
    curve: (epoch, test top-1) after every epoch. agreement: contents of agreement.json (see agreement.py).
    """

    folder: Path
    state: str
    why: str = ""
    method: str = ""
    teacher: str = ""
    student: str = ""
    dataset: str = ""
    seed: int = 0
    fields: dict = dataclasses.field(default_factory=dict)
    last: dict = dataclasses.field(default_factory=dict)
    best: dict = dataclasses.field(default_factory=dict)
    teacher_top1: float | None = None
    images_per_second: float | None = None
    seconds: float | None = None
    curve: tuple = ()
    agreement: dict = dataclasses.field(default_factory=dict)


def collect(folders: list[Path]) -> list[Record]:
    """Every run in and under the folders, each once, in the order of their names.

    Raises UserError for a folder that is not there and where no run is found at all.
    """
    found: dict[Path, Record] = {}
    for folder in map(Path, folders):
        if not folder.is_dir():
            raise UserError(f"{folder} is not a folder; give the folder of a sweep, or run folders such as runs/*")
        for path in run_folders(folder):
            found.setdefault(path.resolve(), read(path))
        for record in planned(folder):
            known = found.get(record.folder.resolve())
            if known is None or known.state != "finished":
                found[record.folder.resolve()] = merged(known, record)
    if not found:
        raise UserError(f"no run under {', '.join(map(str, folders))}; a run folder holds config.json and result.json")
    return list(found.values())


def run_folders(folder: Path) -> Iterator[Path]:
    """The run folders in `folder`, itself included. Inside a run only `alone` counts: the student without a teacher."""
    for path, folders, files in os.walk(folder):
        folders.sort()
        if set(FILES) & set(files):
            yield Path(path)
            folders[:] = [name for name in folders if name == "alone"]
        folders[:] = [name for name in folders if not name.startswith(".")]


def read(folder: Path) -> Record:
    """The record of one run folder; what is missing or damaged makes it unfinished or failed, never an error."""
    config, result = (load(folder / name) for name in ("config.json", "result.json"))
    blocks = config.get("config") if config else None
    fields = naming.flat(blocks) if isinstance(blocks, dict) else {}
    curve = tuple(epochs(folder / "metrics.jsonl"))
    common = dict(folder=folder, fields=fields, curve=curve, **identity(fields, result or {}))
    if (folder / "result.json").exists() and not whole(result):
        return Record(state="failed", why="result.json is damaged or holds no top-1 accuracy", **common)
    if result is None or not same_length(fields, result):
        return Record(state="unfinished", why=progress(fields, curve), **common)
    teacher = result.get("teacher_accuracy")
    return Record(state="finished", **common, last=result["last"], best=result.get("best") or result["last"],
                  teacher_top1=percent(teacher.get("top1")) if isinstance(teacher, dict) else None,
                  images_per_second=number(result.get("images_per_second")),
                  seconds=number(result.get("wall_clock_seconds")), agreement=load(folder / "agreement.json") or {})


def load(path: Path) -> dict | None:
    """The object in a JSON file, or None where there is none (or only a broken one)."""
    try:
        value = json.loads(path.read_text(errors="replace"))
    except (OSError, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def number(value) -> float | None:
    """A finite number, or None for anything else."""
    if not isinstance(value, int | float) or isinstance(value, bool) or abs(value) > sys.float_info.max:
        return None
    return float(value) if math.isfinite(value) else None


def percent(value) -> float | None:
    """A number from 0 to 100, or None for anything else."""
    found = number(value)
    return found if found is not None and 0 <= found <= 100 else None


def whole(result: dict | None) -> bool:
    """Whether a result tells a last accuracy in percent, and no nonsense for the best."""
    last, best = (result.get("last"), result.get("best")) if result else (None, None)
    told = lambda entry: isinstance(entry, dict) and percent(entry.get("top1")) is not None
    return told(last) and (best is None or told(best))


def same_length(fields: dict, result: dict) -> bool:
    """Whether the result is of the length that the config asks for."""
    return all(fields.get(f"train.{key}", result.get(key)) == result.get(key) for key in ("epochs", "steps"))


def identity(fields: dict, result: dict) -> dict:
    """Method, networks, data set and seed: from the config, which every started run has, else from the result."""
    names = fields.get("method.names") or [fields["method.name"]] if "method.name" in fields else result.get("method")
    names = [names] if isinstance(names, str) else [str(name) for name in names or ["unknown"]]
    teacher = str(result.get("teacher") or fields.get("teacher.name") or "")
    dataset = str(fields.get("data.dataset") or result.get("dataset") or "")
    program = str(fields.get("program") or result.get("program") or "distil")
    kind = str(fields.get("loss.kd_kind", "kl"))
    method = naming.method(names if kind == "kl" else [kind, *names], number(fields.get("loss.alpha")) or 0.0, program,
                           kind)
    teacher = teacher or naming.path_name(fields.get("teacher.checkpoint"))
    return dict(method=method, teacher="" if method == "vanilla" else teacher,
                student=str(result.get("student") or fields.get("student.name") or ""),
                dataset=naming.dataset(dataset), seed=int(number(fields.get("seed", result.get("seed"))) or 0))


def epochs(path: Path) -> Iterator[tuple[int, float]]:
    """(epoch, test top-1) of the evaluated epochs in metrics.jsonl."""
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            continue  # a line that a killed run left half written
        if isinstance(row, dict) and row.get("kind") == "epoch" and percent(row.get("test_top1")) is not None:
            yield int(number(row.get("epoch")) or 0), float(row["test_top1"])


def progress(fields: dict, curve: tuple) -> str:
    """How far an unfinished run is."""
    if not curve:
        return "no epoch finished yet"
    return f"epoch {curve[-1][0]} of {fields.get('train.epochs', '?')}, top-1 {curve[-1][1]:.2f}"


def planned(folder: Path) -> Iterator[Record]:
    """The runs of a sweep's ledger that it does not call finished."""
    ledger = load(folder / LEDGER) or {}
    entries = ledger.get("runs")
    for name, entry in (entries if isinstance(entries, dict) else {}).items():
        if not isinstance(entry, dict) or entry.get("state") == "finished" or Path(name).name != name:
            continue
        state = "failed" if entry.get("state") == "failed" else "waiting"
        about = {k: str(entry.get(k, "")) for k in ("method", "teacher", "student", "dataset")}
        yield Record(folder=folder / name, state=state, seed=int(number(entry.get("seed")) or 0), **about,
                     why=str(entry.get("why") or ("failed" if state == "failed" else "not started yet"))[:500])


def merged(known: Record | None, plan: Record) -> Record:
    """What the folder says of a run that is not finished, with the sweep's word that it failed."""
    if known is None:
        return plan
    return dataclasses.replace(known, state="failed", why=plan.why) if plan.state == "failed" else known
