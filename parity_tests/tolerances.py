"""Every tolerance of the suite in one table: level -> (dtype, platform) -> limit on the relative error.

An error is |difference| / max(scale, floor), scale being the largest reference entry of the tensor (or its norm, as the
level says). The float64 limits are asserted everywhere. float32 is asserted only where no kink (ReLU, L1, argmax) can
flip; None: measured and reported, never asserted.
"""
from __future__ import annotations

import os

import numpy as np

FLOOR = 1e-3

#  level                 float64 cpu  float64 gpu  float32 cpu  float32 gpu (precision "highest")
_TABLE = {
    "golden_loss":       (1e-9, 1e-9, 5e-5, 5e-5),   # against the original modules
    "golden_loss_grad":  (1e-7, 1e-7, 2e-3, 2e-3),
    "golden_network":    (1e-9, 1e-9, 2e-4, 2e-4),
    "golden_adapter":    (1e-9, 1e-9, 2e-4, 2e-4),
    "golden_trajectory": (1e-9, 1e-8, None, None),
    "loss":              (1e-9, 1e-9, 5e-5, 5e-5),   # kdjax against the reference
    "loss_grad":         (1e-9, 1e-9, 2e-3, 2e-3),
    "network":           (1e-9, 1e-9, 2e-4, 2e-4),
    "network_grad":      (1e-9, 1e-9, None, None),
    "adapter":           (1e-9, 1e-9, 2e-4, 2e-4),
    "adapter_grad":      (1e-9, 1e-9, None, None),
    "step":              (1e-9, 1e-8, 1e-3, 1e-3),
    "trajectory":        (1e-6, 1e-6, None, None),
    "schedule":          (1e-12, 1e-12, None, None),
    "views":             (1e-14, 1e-14, None, None),
    "metrics":           (1e-12, 1e-12, None, None),
    "converter":         (1e-9, 1e-9, None, None),   # the tensors themselves: bit for bit
}
_COLUMNS = {("float64", "cpu"): 0, ("float64", "gpu"): 1, ("float32", "cpu"): 2, ("float32", "gpu"): 3}


def limit(level: str, dtype: str = "float64", platform: str = "cpu") -> float | None:
    return _TABLE[level][_COLUMNS[dtype, platform]]


def error(got, want, scale: float | None = None, floor: float = FLOOR) -> float:
    """Largest |got - want| relative to max(scale, floor); scale defaults to the largest |want|. Non-finite: inf."""
    got, want = np.asarray(got, np.float64), np.asarray(want, np.float64)
    if got.shape != want.shape or not (np.isfinite(got).all() and np.isfinite(want).all()):
        return float("inf")
    if not want.size:
        return 0.0
    scale = float(np.abs(want).max()) if scale is None else scale
    return float(np.abs(got - want).max() / max(scale, floor))


RECORD: dict[tuple[str, str, str], list] = {}  # (level, subject, dtype) -> [worst error, comparisons], for the report


def check(level: str, subject: str, got, want, *, what: str = "", dtype: str = "float64", **kwargs) -> float:
    """Assert one comparison of a level and record its error; `what` names the tensor in the message."""
    err = error(got, want, **kwargs)
    row = RECORD.setdefault((level, subject, dtype), [0.0, 0])
    row[0], row[1] = max(row[0], err), row[1] + 1
    allowed = limit(level, dtype, platform())
    assert allowed is None or err <= allowed, f"{level} {subject} {what}: error {err:.2e} exceeds {allowed:.0e}"
    return err


def platform() -> str:
    """"cpu" or "gpu": where kdjax runs in this session (see conftest.py)."""
    return os.environ.get("KDJAX_PARITY_PLATFORM", "cpu")
