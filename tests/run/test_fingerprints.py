"""A run continues on its own data and from its own teacher only; what is compared is content, not path and time."""
import types

import jax.numpy as jnp
import numpy as np
import pytest

from kdjax.data.types import Dataset, Split
from kdjax.errors import UserError
from kdjax.run import fingerprints

NET = types.SimpleNamespace(name="resnet8")


def data(n=6, classes=3, seed=0, **other) -> Dataset:
    draw = np.random.default_rng(seed)
    split = lambda n: Split(draw.integers(0, 256, (n, 8, 8, 3), np.uint8), np.arange(n, dtype=np.int32) % classes)
    fields = {"name": "toy", "train": split(n), "test": split(4), "valid": None, "num_classes": classes,
              "image_size": 8, "mean": (0.5,) * 3, "std": (0.2,) * 3}
    return Dataset(**fields | other)


def variables(value=1.0, dtype=jnp.float32):
    return {"params": {"fc": {"kernel": jnp.full((2, 3), value, dtype)}}, "batch_stats": {}}


def prints(dataset=None, teacher=None, network=NET) -> dict:
    task = types.SimpleNamespace(nets={"teacher": types.SimpleNamespace(network=network)})
    return fingerprints.of(dataset or data(), task, {"teacher": teacher or variables()})


def changed(**now) -> list[str]:
    return fingerprints.differences(prints(), prints(**now))


def test_the_same_content_is_the_same_however_it_came_here():
    copied = data()._replace(name="elsewhere", mean=(0.5 + 1e-9,) * 3)
    strided = data()._replace(train=Split(np.asfortranarray(data().train.images), data().train.labels))
    assert changed(dataset=copied) == changed(dataset=strided) == changed(teacher=variables()) == []


@pytest.mark.parametrize(("other", "says"), [
    (data(n=5), ["data.train.images.shape: [6, 8, 8, 3] -> [5, 8, 8, 3]", "data.train.labels.shape: [6] -> [5]"]),
    (data()._replace(num_classes=7), ["data.classes: 3 -> 7"]),
    (data()._replace(mean=(0.4, 0.5, 0.5)), ["data.mean: [0.5, 0.5, 0.5] -> [0.4, 0.5, 0.5]"]),
    (data()._replace(valid=data().test), [f"data.valid.{what}: absent -> {value}" for what, value in (
        ("images.dtype", "uint8"), ("images.shape", [4, 8, 8, 3]), ("labels.dtype", "int32"), ("labels.shape", [4]))])])
def test_another_size_another_number_of_classes_and_other_statistics_are_named(other, says):
    got = fingerprints.differences(prints(), prints(other))
    assert [line for line in got if "other content" not in line] == says


@pytest.mark.parametrize("where", ["train.images", "train.labels", "test.images", "test.labels"])
def test_one_changed_value_is_noticed_wherever_it_lies(where):
    split, what = where.split(".")
    other = data()
    getattr(getattr(other, split), what).reshape(-1)[-1] ^= 1
    assert changed(dataset=other) == [f"data.{where}: other content"]


def test_other_weights_another_type_and_another_network_are_noticed():
    assert changed(teacher=variables(1.0000001)) == ["networks.teacher: other content"]
    assert changed(teacher=variables(dtype=jnp.float16)) == ["networks.teacher: other content"]
    assert changed(network=types.SimpleNamespace(name="wrn_10_1")) == ["networks.teacher.network: resnet8 -> wrn_10_1"]


def test_other_content_is_refused_with_the_difference_and_an_old_run_continues_with_a_warning(tmp_path):
    fingerprints.check(tmp_path, prints(), prints())
    with pytest.raises(UserError, match=r"learned from something else \(data.classes: 3 -> 7\); use another --workdir"):
        fingerprints.check(tmp_path, prints(), prints(data()._replace(num_classes=7)))
    with pytest.warns(UserWarning, match="kept no fingerprints"):
        fingerprints.check(tmp_path, None, prints())
