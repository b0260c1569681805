"""The programs: which networks in which role, which views, which terms, which evaluations. One file each.

A task knows methods, losses, networks and how images are seen; must not know files, devices or how a run is kept.
"""
from kdjax.tasks import distil, double_student, pretext_build, probe
from kdjax.tasks.base import Evaluation, Task, View

__all__ = ["PROGRAMS", "TAUGHT", "Evaluation", "Task", "View", "build"]

PROGRAMS = {"distil": distil.build, "double_student": double_student.build, "pretext": pretext_build.build,
            "probe": probe.build}
TAUGHT = ("distil",)  # the programs that learn from checkpoints


def build(config, data, teachers) -> Task:
    """The task that config.program names. data: a Dataset. teachers: {"teacher": Network, "teacher2": ...}."""
    return PROGRAMS[config.program](config, data, teachers)
