"""DS-SRD's programs, whole steps: kdjax and the torch reference against the original's numbers, then side by side."""
import jax
import numpy as np
import pytest

from parity_tests import ds_srd_made, ds_srd_steps, golden_data
from parity_tests.reference import ds_srd
from parity_tests.tolerances import check

FILES = {p.stem: p for p in golden_data.files("ds_srd") if p.stem.startswith("step_")}


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True), jax.default_matmul_precision("highest"):
        yield


@pytest.mark.parametrize("name", FILES)
def test_kdjax_takes_the_originals_steps(name):
    golden = golden_data.read(FILES[name])
    for key, err in ds_srd_steps.errors(golden, ds_srd_steps.replay(golden)).items():
        check("golden_trajectory", f"ds_srd {name}", err, 0.0, scale=1.0, what=key)


@pytest.mark.parametrize("name", [name for name in FILES if "manifold" not in name])
def test_the_reference_takes_the_originals_steps(name):
    golden = golden_data.read(FILES[name])
    for key, err in ds_srd_steps.errors(golden, ds_srd.play(golden)).items():
        check("golden_trajectory", f"ds_srd reference {name}", err, 0.0, scale=1.0, what=key)


@pytest.mark.slow
@pytest.mark.parametrize("name", ds_srd_made.CASES)
def test_twenty_steps_of_kdjax_are_the_references(name):
    made = ds_srd_made.made(name)
    theirs = ds_srd.play(made)
    ours = ds_srd_steps.replay(made)
    together = {k: np.asarray(v) for k, v in theirs.items()} | {"meta": made["meta"]}
    for key, err in ds_srd_steps.errors(together, ours).items():
        check("trajectory", f"ds_srd {name}", err, 0.0, scale=1.0, what=key)
