"""What a run says when its numbers go wrong: where, what, what is safe, and advice that is not taken already."""
import numpy as np
import pytest

from kdjax.errors import Diverged
from kdjax.run.stopping import advice, check_state, diverged


def counters(**bad):
    names = {"total": False, "ce": False, "gradient": False} | bad
    return {"bad": {n: np.asarray(b) for n, b in names.items()}, "bad_step": np.asarray(3)}


def test_the_step_is_counted_from_one_and_a_term_is_named_before_the_sum_and_the_gradient():
    said = str(diverged(counters(total=True, ce=True, gradient=True), "main", 10, 5))
    assert said.startswith("step 14 (main): ce is not finite; checkpoint 5 is the last good one.")
    said = str(diverged(counters(gradient=True), "main", 0, None))
    assert "gradient is not finite; there is no checkpoint yet" in said


@pytest.mark.parametrize("skips", [False, True])
def test_on_nan_skip_is_advised_where_it_is_not_set_already(skips):
    for said in (advice(skips), str(diverged(counters(ce=True), "main", 0, None, skips))):
        assert ("continue here with config.train.on_nan=skip" in said) == (not skips)
        assert "Lower config.optim.lr" in said


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_the_first_array_that_is_not_finite_is_named_at_any_depth(value):
    check_state({"params": {"student": np.ones(3)}, "step": np.asarray(2)}, 7, "main", None)
    with pytest.raises(Diverged, match=r"step 7 \(main\): opt/trace/bias is not finite; .*on_nan=skip cannot help"):
        check_state({"params": np.ones(3), "opt": {"trace": {"bias": np.asarray([1, value])}}}, 7, "main", None, True)
