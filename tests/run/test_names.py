"""kdjax.run.names: what a config names is looked up before anything is written."""
import jax
import pytest

from kdjax.config import default
from kdjax.errors import UserError
from kdjax.run.names import check_names


@pytest.mark.parametrize(("block", "change", "says"), [
    ("method", {"name": "itdr"}, "did you mean itrd"), ("student", {"name": "resnet9x"}, "unknown network 'resnet9x'"),
    ("teacher", {"name": "resnt14", "train_epochs": 1}, "unknown network 'resnt14'"),
    ("train", {"dtype": "float64"}, "needs 64-bit JAX")])
def test_what_there_is_not_is_refused(block, change, says):
    config = default()
    config[block].update(change)
    with jax.enable_x64(False), pytest.raises(UserError, match=says):
        check_names(config)


def test_a_teacher_with_a_checkpoint_says_itself_what_it_is():
    config = default()
    config.teacher.update({"name": "anything", "checkpoint": "somewhere"})
    check_names(config)
