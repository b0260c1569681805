"""A run of another length than its config's: the milestones stay, which is said, or move along, where that is asked."""
import warnings

import pytest

from kdjax import config, main
from kdjax.config.milestones import note


def parsed(*words):
    """(milestones, what was said) of a command line on the common 240 epochs."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        c = main.parse(["--config=configs/kd.py", *words])
    return c.optim.schedule.milestones, [str(w.message) for w in said]


def test_a_config_as_it_is_says_nothing():
    assert parsed() == ((150, 180, 210), [])


@pytest.mark.parametrize(("epochs", "says"), [
    (100, "no milestone of (150, 180, 210) lies within the 100 epochs, so that the rate never falls"),
    (150, "no milestone of (150, 180, 210) lies within the 150 epochs"),
    (151, "config.train.epochs=151 (the config has 240) leaves the milestones at (150, 180, 210)"),
    (480, "config.train.epochs=480 (the config has 240) leaves the milestones")])
def test_another_length_leaves_the_milestones_and_says_so(epochs, says):
    milestones, (line,) = parsed(f"--config.train.epochs={epochs}")
    assert milestones == (150, 180, 210) and line.startswith(says) and "schedule.scale=True" in line


def test_scaled_they_move_to_the_same_fractions_and_nothing_is_said():
    assert parsed("--config.train.epochs=24", "--config.optim.schedule.scale=True") == ((15, 18, 21), [])
    assert parsed("--config.train.epochs=1", "--config.optim.schedule.scale=True") == ((1, 1, 1), [])


def test_milestones_that_are_given_stay():
    given = "--config.optim.schedule.milestones=5,10"
    assert parsed("--config.train.epochs=20", "--config.optim.schedule.scale=True", given) == ((5, 10), [])
    milestones, (line,) = parsed("--config.optim.schedule.milestones=400")
    assert milestones == (400,) and "no milestone of (400,) lies within the 240 epochs" in line


@pytest.mark.parametrize("change", [{"kind": "cosine"}, {"kind": "constant"}, {"milestones": ()}])
def test_other_schedules_have_none_to_speak_of(change):
    c = config.default()
    c.optim.schedule.update(change)
    c.train.epochs = 3
    assert note(c, 240) == ""
