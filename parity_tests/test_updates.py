"""Level (d): one batch, one update. kdjax's step against the torch reference for every method, stage by stage."""
import numpy as np
import pytest

from kdjax import methods
from parity_tests import cases
from parity_tests.tolerances import check

IDLE = {"rrd": "adapter:embed_t", "ickd": "adapter:embed_t"}  # in the original's optimizer, but never reached


def first_steps(name):
    """(stage name, ours, theirs) of the stages of a case."""
    ours, theirs = cases.run(name)
    return [(what, getattr(ours, what), getattr(theirs, what)) for what in ("pre", "main") if getattr(ours, what)]


@pytest.mark.parametrize("name", cases.CASES)
def test_loss_terms_agree_by_name(name):
    for stage, ours, theirs in first_steps(name):
        assert set(theirs.losses) <= set(ours.losses)
        for term, values in theirs.losses.items():
            check("step", name, ours.losses[term][0], values[0], what=f"{stage} {term}")


@pytest.mark.parametrize("name", cases.CASES)
def test_gradients_of_all_trainables_agree(name):
    for stage, ours, theirs in first_steps(name):
        reached = {key: g for key, g in theirs.first_gradients.items() if g is not None}
        assert set(ours.first_gradients) == set(reached)
        largest = max(np.abs(g).max() for g in reached.values())  # some gradients vanish identically: rounding noise
        for key, gradient in reached.items():
            check("step", name, ours.first_gradients[key], gradient, what=f"{stage} gradient {key}",
                  floor=1e-3 * largest)


@pytest.mark.parametrize("name", cases.CASES)
def test_parameters_and_statistics_agree_after_sgd(name):
    for stage, ours, theirs in first_steps(name):
        for key, value in ours.states[0].items():
            check("step", name, value, theirs.states[0][key], what=f"{stage} {key}")


@pytest.mark.parametrize("name", cases.CASES)
def test_what_is_unused_or_frozen_does_not_move(name):
    ours, theirs = cases.run(name)
    moved_ours, moved_theirs = ({key for key, value in side.main.states[-1].items()
                                 if not np.array_equal(value, (side.pre or side.main).states[0][key])
                                 or not np.array_equal(value, side.initial[key])} for side in (ours, theirs))
    assert moved_ours == moved_theirs
    trained = set(ours.main.first_gradients) | (set(ours.pre.first_gradients) if ours.pre else set())
    statistics = {key for key in moved_ours if key.endswith(("running_mean", "running_var"))}
    assert moved_ours - statistics <= trained
    idle = IDLE.get(cases.CASES[name].method)
    assert not idle or not any(key.startswith(idle) for key in moved_ours)


@pytest.mark.parametrize("name", ["kd", "crd", "itrd"])
def test_one_update_in_float32_stays_close(name):
    """One: twenty are reported by `python -m parity_tests`, for a ReLU that flips is as large as a mistake."""
    check("step", name, cases.float32_error(name, steps=1), 0.0, scale=1.0, dtype="float32")


def test_initial_weights_are_the_same_on_both_sides():
    for name in ("kd", "semckd"):
        ours, theirs = cases.run(name)
        assert all(np.array_equal(value, theirs.initial[key]) for key, value in ours.initial.items())


def test_every_method_of_kdjax_is_compared():
    elsewhere = {"proto"}  # its clusters need whole programs: test_ds_srd_steps.py
    assert {case.method for case in cases.CASES.values()} | elsewhere == set(methods.METHODS)
