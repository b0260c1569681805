"""The pretext programs, whole steps: the torch reference against the originals' numbers, then kdjax beside it."""
import jax
import numpy as np
import pytest

from parity_tests import selfsup_made
from parity_tests.reference import selfsup
from parity_tests.tolerances import check
from tests.selfsup_golden import load
from tests.tasks import selfsup_steps


@pytest.mark.usefixtures("torch_alone")
@pytest.mark.parametrize("name", selfsup_steps.FILES)
def test_the_reference_takes_the_originals_steps(name):
    z, meta = load(f"step_{name}")
    got = {f"f64.{key}": value for key, value in selfsup.play(z, meta).items()}
    wanted = [key for key in z if key.startswith("f64.") and "logits" not in key and "labels" not in key]
    assert wanted and not set(wanted) - set(got)
    for key in wanted:
        check("golden_trajectory", f"self-supervised reference {name}", got[key], z[key], what=key)


@pytest.mark.parametrize("name", selfsup_made.CASES)
def test_twenty_steps_of_kdjax_are_the_references(name):
    with jax.enable_x64(True):
        case = selfsup_steps.Case(*selfsup_made.made(name))
        compared = list(case.differences("f64"))
    assert sum(what.startswith("loss") for what, *_ in compared) == selfsup_made.STEPS
    for what, got, want in compared:
        check("trajectory", f"self-supervised {name}", np.asarray(got), np.asarray(want), what=what)
