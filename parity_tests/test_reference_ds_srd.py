"""The torch reference of DS-SRD's programs repeats the original's steps: all step files of golden/ds_srd but one.

The manifold's mixing was never run upstream; the reference has no form of it.
"""
import pytest

from parity_tests import ds_srd_steps, golden_data
from parity_tests.reference import ds_srd
from parity_tests.tolerances import check

FILES = {p.stem: p for p in golden_data.files("ds_srd") if p.stem.startswith("step_") and "manifold" not in p.stem}


@pytest.mark.usefixtures("torch_alone")
@pytest.mark.parametrize("name", FILES)
def test_the_reference_takes_the_originals_steps(name):
    golden = golden_data.read(FILES[name])
    for key, err in ds_srd_steps.errors(golden, ds_srd.play(golden)).items():
        check("golden_trajectory", f"ds_srd reference {name}", err, 0.0, scale=1.0, what=key)
