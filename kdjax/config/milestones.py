"""The schedule's milestones in a run of another length than the config's own."""
from __future__ import annotations

from ml_collections import ConfigDict

SCALE = "--config.optim.schedule.scale=True moves them to the same fractions"


def follow(config: ConfigDict, written: ConfigDict) -> None:
    """Where `optim.schedule.scale` asks for it, moves the milestones along with a changed train.epochs.

    written: the config as its file has it. Milestones that were changed too stay as they are.
    """
    schedule, before = config.optim.schedule, written.optim.schedule
    if schedule.scale and tuple(schedule.milestones) == tuple(before.milestones):
        schedule.milestones = scaled(before.milestones, config.train.epochs / written.train.epochs)


def scaled(milestones: tuple[int, ...], by: float) -> tuple[int, ...]:
    """The milestones of a run that is `by` times as long; never before the first epoch's end."""
    return tuple(max(1, round(m * by)) for m in milestones)


def note(config: ConfigDict, written_for: int | None = None) -> str:
    """What to say of the milestones, "" where they do what one expects: all in a run of `written_for` epochs.

    A milestone counts when an epoch comes after it.
    """
    schedule, epochs = config.optim.schedule, config.train.epochs
    given = tuple(schedule.milestones)
    if schedule.kind != "step" or not given or schedule.scale:
        return ""
    changed = written_for not in (None, epochs)
    if min(given) >= epochs:
        advice = SCALE if changed else "set config.optim.schedule.milestones, or its kind"
        return f"no milestone of {given} lies within the {epochs} epochs, so that the rate never falls; {advice}"
    if changed:
        return f"config.train.epochs={epochs} (the config has {written_for}) leaves the milestones at {given}; {SCALE}"
    return ""
