"""The golden numbers of the self-supervised originals, ours or those of ../shared (golden/self_supervised)."""
import json
import os
import pathlib

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
FOLDERS = (ROOT / "parity_tests" / "golden" / "self_supervised", ROOT.parent / "shared" / "golden" / "self_supervised")


def load(name: str):
    """(arrays, meta) of a golden file; skips the test where it is not to be had."""
    moved = os.environ.get("KDJAX_GOLDEN_PIECES")  # see parity_tests/pieces.py
    for folder in [pathlib.Path(moved)] if moved else FOLDERS:
        if (folder / f"{name}.npz").is_file():
            data = np.load(folder / f"{name}.npz", allow_pickle=False)
            return data, json.loads(str(data["meta"]))
    pytest.skip(f"{name}.npz is only in ../shared/golden, which is not beside this project")


def close(got, want, kind: str, states: bool = False) -> None:
    """Within the README's tolerances: f64 1e-9; f32 2e-5 and 2e-6, 2e-4 for states after several steps."""
    rtol, atol = (1e-9, 1e-9) if kind == "f64" else (2e-4, 2e-4) if states else (2e-5, 2e-6)
    np.testing.assert_allclose(np.asarray(got), want, rtol=rtol, atol=atol)
