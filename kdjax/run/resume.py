"""What a run remembers of its config, and the refusals to continue as another run."""
from __future__ import annotations

import json
from pathlib import Path

from kdjax.config.changes import meaning_changed
from kdjax.errors import UserError
from kdjax.run import fingerprints
from kdjax.run.context import Run
from kdjax.run.folder import read_json
from kdjax.run.step_folders import DAMAGED

PLACES = tuple(f"{field}: " for field in ("teacher.checkpoint", "teacher.name", "data.dataset"))
OWN_TEACHER = ("teacher", "student")  # in a run's folder: the teacher that `teacher.train_epochs` trains


def plain(config) -> dict:
    """The config as JSON values. A teacher that the run trains itself is no checkpoint that the user gave."""
    values = json.loads(config.to_json())
    if config.teacher.train_epochs and Path(config.teacher.checkpoint).parts[-2:] == OWN_TEACHER:
        values["teacher"]["checkpoint"] = ""
    return values


def check_resume(config, folder: Path, strictly: bool = False) -> None:
    """Refuses to continue a run whose meaning changed, showing what did. strictly: nothing will be compared later."""
    if not ((folder / "checkpoints").is_dir() or (folder / "result.json").exists()):
        return  # nothing of the other run is worth keeping
    before = read_json(folder / "config.json")
    if before and isinstance(before.get("config"), dict):
        check_same(config, folder, before["config"], moved=not strictly and "fingerprints" in before)


def check_same(config, folder: Path, before: dict, moved: bool = False) -> None:
    """Refuses a config that means another run than `before`. moved: data and teacher may lie elsewhere, for their
    fingerprints are compared."""
    changed = [line for line in meaning_changed(seeded(before), plain(config))
               if not (moved and line.startswith(PLACES))]
    if changed:
        raise UserError(f"{folder} holds a run of another config ({'; '.join(changed)}); use another --workdir, or the "
                        "old values")


def seeded(before: dict) -> dict:
    """The config of a run in which `data.per_class` images, if any, were chosen by the run's seed: by name. Until the
    field data.per_class_seed came, they always were."""
    data = before.get("data")
    if not isinstance(data, dict) or not data.get("per_class") or "per_class_seed" in data:
        return before
    return {**before, "data": {**data, "per_class_seed": before.get("seed", 0)}}


def check_restored(run: Run, saved: tuple | None, steps: int) -> None:
    """Refuses to start from scratch where all checkpoints are damaged, to continue as another run, from other data or
    another teacher, and past the end.

    steps: how many the config asks for, all stages together.
    """
    folder = run.folder
    if saved is None:
        damaged = folder / "checkpoints" / DAMAGED
        if damaged.is_dir() and any(damaged.iterdir()):
            raise UserError(f"every checkpoint of {folder} is damaged (they are kept in {damaged}); start anew in "
                            "another --workdir, or remove that folder to start anew here")
        return
    prints = saved[2].get("fingerprints")
    check_same(run.config, folder, saved[2]["config"], moved=prints is not None)
    fingerprints.check(folder, prints, run.prints)
    if saved[0] > steps:
        raise UserError(f"{folder} has trained {saved[0]} steps, more than the {steps} of this config; raise "
                        "config.train.epochs, or use another --workdir")
