"""What a run remembers of its config, and the refusals to continue as another run."""
from __future__ import annotations

import json
from pathlib import Path

from kdjax.config.changes import meaning_changed
from kdjax.errors import UserError
from kdjax.run.folder import read_json
from kdjax.run.step_folders import DAMAGED

OWN_TEACHER = ("teacher", "student")  # in a run's folder: the teacher that `teacher.train_epochs` trains


def plain(config) -> dict:
    """The config as JSON values. A teacher that the run trains itself is no checkpoint that the user gave."""
    values = json.loads(config.to_json())
    if config.teacher.train_epochs and Path(config.teacher.checkpoint).parts[-2:] == OWN_TEACHER:
        values["teacher"]["checkpoint"] = ""
    return values


def check_resume(config, folder: Path) -> None:
    """Refuses to continue a run whose meaning changed, showing what did."""
    if not ((folder / "checkpoints").is_dir() or (folder / "result.json").exists()):
        return  # nothing of the other run is worth keeping
    before = read_json(folder / "config.json")
    if before and isinstance(before.get("config"), dict):
        check_same(config, folder, before["config"])


def check_same(config, folder: Path, before: dict) -> None:
    """Refuses a config that means another run than `before`."""
    if changed := meaning_changed(before, plain(config)):
        raise UserError(f"{folder} holds a run of another config ({'; '.join(changed)}); use another --workdir, or the "
                        "old values")


def check_restored(config, folder: Path, saved: tuple | None, steps: int) -> None:
    """Refuses to start from scratch where all checkpoints are damaged, and to continue past the end.

    steps: how many the config asks for, all stages together.
    """
    if saved is None:
        damaged = folder / "checkpoints" / DAMAGED
        if damaged.is_dir() and any(damaged.iterdir()):
            raise UserError(f"every checkpoint of {folder} is damaged (they are kept in {damaged}); start anew in "
                            "another --workdir, or remove that folder to start anew here")
        return
    check_same(config, folder, saved[2]["config"])
    if saved[0] > steps:
        raise UserError(f"{folder} has trained {saved[0]} steps, more than the {steps} of this config; raise "
                        "config.train.epochs, or use another --workdir")
