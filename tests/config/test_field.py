"""kdjax.config.field: a field says by itself which values it takes."""
import math

import pytest

from kdjax import config
from kdjax.config.check import check
from kdjax.config.field import Field
from kdjax.errors import UserError


def checked(**fields) -> None:
    """Checks the default config with some fields changed; a__b stands for a.b."""
    changed = config.default()
    for name, value in fields.items():
        *blocks, last = name.split("__")
        node = changed
        for block in blocks:
            node = node[block]
        node[last] = value
    check(changed)


def test_every_default_passes_its_own_rule():
    assert [name for name, field in config.FIELDS.items() if field.refusal(field.default)] == []
    checked()


@pytest.mark.parametrize(("field", "value", "says"), [
    (Field(1, "a count"), -1, "=-1 is too small; give at least 0"),
    (Field(1, "a count", low=1, high=3), 4, "=4 is too large; give at most 3"),
    (Field(None, "optional", kind=float, low=1), math.nan, "=nan is not a finite number; correct it"),
    (Field("a", "a word", choices=("a", "b")), "c", "='c' is not one of a, b; choose one"),
    (Field("a", "a word", choices=("a", "b"), called="a letter"), "c", "='c' is not a letter; use one of a, b"),
    (Field((), "weights", items=float), (1, math.inf), "=inf is not a finite number; correct it"),
    (Field((), "weights", items=float), (True,), " holds True; give numbers only, such as (1,2)"),
    (Field((), "epochs", items=int), (1, 2.5), " holds 2.5; give numbers only, such as (1,2)"),
    (Field((), "names", items=str), ("kd", 1), " holds 1; give names only, such as crd,kd"),
])
def test_a_value_outside_is_refused_in_words(field, value, says):
    assert field.refusal(value) == says


@pytest.mark.parametrize(("field", "value"), [
    (Field(1, "a count"), 0), (Field(None, "optional", kind=float, low=1), None), (Field("", "any word"), "x"),
    (Field((), "weights", items=float), [1, 0.5]), (Field(True, "yes or no"), False),
    (Field("a", "a word", choices=("a", "b")), "b")])
def test_a_value_inside_passes(field, value):
    assert field.refusal(value) == ""


def test_an_optional_field_without_its_kind_is_a_mistake_of_the_table():
    with pytest.raises(TypeError, match="needs its kind"):
        Field(None, "no kind")
    with pytest.raises(TypeError, match="what its items are"):
        Field((), "no items")


@pytest.mark.parametrize(("fields", "says"), [
    ({"method__weights": (1, math.inf)}, "config.method.weights=inf is not a finite number"),
    ({"method__weights": (math.nan,)}, "config.method.weights=nan is not a finite number"),
    ({"method__crd__memory": "disk"}, "config.method.crd.memory='disk' is not a memory; use one of bank, queue"),
    ({"optim__lr_override__MobileNetV2": 0.0}, "config.optim.lr_override.MobileNetV2=0.0 is too small"),
    ({"optim__lr_override__MyNet": math.inf}, "config.optim.lr_override.MyNet=inf is not a finite number"),
    ({"optim__schedule__milestones": (3, 2)}, "in rising order"),
    ({"optim__schedule__milestones": (-1, 2)}, "config.optim.schedule.milestones=-1 is too small"),
    ({"method__mine": math.nan}, "config.method.mine=nan is not a finite number"),
    ({"mine": 1}, "there is no field config.mine"),
])
def test_the_whole_config_is_held_to_the_table(fields, says):
    with pytest.raises(UserError, match=says.replace("(", r"\(")):
        checked(**fields)


def test_a_users_own_method_may_bring_its_fields():
    checked(method__mine=-3.0, optim__lr_override__MyNet=0.2)


def test_nothing_that_the_config_imports_knows_a_network_or_a_method():
    import pathlib
    import re
    folder = pathlib.Path(config.__file__).parent
    imported = {name for path in folder.rglob("*.py") for name in re.findall(r"^\s*(?:from|import) kdjax\.?(\w*)",
                                                                             path.read_text(), re.M)}
    assert imported <= {"config", "errors"}
