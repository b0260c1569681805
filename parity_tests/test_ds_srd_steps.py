"""DS-SRD's programs, whole steps: kdjax against the original's numbers, then beside the torch reference."""
import numpy as np
import pytest

from parity_tests import ds_srd_made, ds_srd_steps, golden_data
from parity_tests.reference import ds_srd
from parity_tests.tolerances import check

FILES = {p.stem: p for p in golden_data.files("ds_srd") if p.stem.startswith("step_")}


@pytest.mark.parametrize("name", FILES)
def test_kdjax_takes_the_originals_steps(name):
    golden = golden_data.read(FILES[name])
    for key, err in ds_srd_steps.errors(golden, ds_srd_steps.replay(golden)).items():
        check("golden_trajectory", f"ds_srd {name}", err, 0.0, scale=1.0, what=key)


@pytest.mark.slow
@pytest.mark.parametrize("name", ds_srd_made.CASES)
def test_twenty_steps_of_kdjax_are_the_references(name):
    made = ds_srd_made.made(name)
    theirs = ds_srd.play(made)
    ours = ds_srd_steps.replay(made)
    together = {k: np.asarray(v) for k, v in theirs.items()} | {"meta": made["meta"]}
    for key, err in ds_srd_steps.errors(together, ours).items():
        check("trajectory", f"ds_srd {name}", err, 0.0, scale=1.0, what=key)
