"""The pretext task against the originals' training steps, and the properties that any of its steps must have."""
import jax
import numpy as np
import pytest

from tests.selfsup_golden import close, load
from tests.tasks import selfsup_steps as steps

FAST = ("npair_imixup", "byol_imixup", "mocon_imixup", "dssrd_byol_imixup")
CASES = [pytest.param(name, marks=[] if name in FAST else pytest.mark.slow) for name in steps.FILES]


@pytest.mark.parametrize("name", CASES)
def test_training_steps_equal_the_originals_in_float64(name):
    data, meta = load(f"step_{name}")
    with jax.enable_x64(True):
        for what, got, want in steps.Case(data, meta).differences("f64"):
            close(got, np.asarray(want), "f64"), what
