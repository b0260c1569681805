"""Which methods a config asks for, with which weights."""
import pytest

from kdjax.config import default
from kdjax.errors import UserError
from kdjax.methods import chosen


def config(**fields):
    made = default()
    made.method.update(fields)
    return made


def test_every_method_has_the_weight_at_its_place_and_one_where_none_is_given():
    assert chosen(config(names=("crd", "kd"), weights=(0.8, 2.0))) == {"crd": 0.8, "kd": 2.0}
    assert chosen(config(names=("crd", "kd"))) == {"crd": 1.0, "kd": 1.0}
    assert chosen(config(name="itrd", weights=(3.0,))) == {"itrd": 3.0}


def test_several_names_win_over_the_single_one_and_aliases_are_the_methods_own_names():
    assert list(chosen(config(name="vanilla", names=("hint", "rcd")))) == ["fitnet", "rrd"]


@pytest.mark.parametrize("fields", [{"names": ("crd", "kd"), "weights": (1.0,)}, {"names": ("ft", "factor")},
                                    {"name": "kd", "weights": (1.0, 2.0)}])
def test_a_weight_too_few_or_too_many_and_a_method_given_twice_are_refused(fields):
    with pytest.raises(UserError, match="give every method once, with one weight each"):
        chosen(config(**fields))
