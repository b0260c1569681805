"""Schedules by hand."""
import numpy as np
import pytest

from kdjax.errors import UserError
from kdjax.step import schedules


def test_the_ramp_of_the_fixed_schedule_meets_the_cosine_and_the_originals_stops_short():
    args = dict(base=0.05, epochs=100, warmup_epochs=10, steps_per_epoch=4)
    last_of_ramp, first_of_cosine = (float(schedules.warmup_cosine(step, **args)) for step in (39, 40))
    np.testing.assert_allclose(last_of_ramp, first_of_cosine, rtol=1e-3)
    first = [float(schedules.warmup_cosine(0, **args, one_based=flag)) for flag in (False, True)]
    assert first[1] > 4 * first[0] > 0
    assert float(schedules.warmup_cosine(399, **args, one_based=True)) < 1e-9
    assert float(schedules.warmup_cosine(399, **args)) > 1e-6


def test_a_ratio_holds_its_value_from_its_key_on():
    at = schedules.ratio("{'0': 0.5; '10': 0.75/20:1}")
    assert [float(at(e)) for e in (0, 9, 10, 19, 20, 500)] == [0.5, 0.5, 0.75, 0.75, 1, 1]


def test_before_its_first_key_a_bounded_ratio_has_the_given_value():
    at, never = schedules.bounded("10:0.5", 0.0), schedules.bounded("", 1.0)
    assert [float(at(1)), float(at(10)), float(never(7))] == [0.0, 0.5, 1.0]


@pytest.mark.parametrize("text", ["", "0", "a:b", "0:0.5:3", "0.5,1"])
def test_text_that_is_no_schedule_is_refused_in_a_sentence(text):
    with pytest.raises(UserError, match="write epoch:value pairs"):
        schedules.ratio(text)
