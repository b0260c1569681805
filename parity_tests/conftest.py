"""Precision and platform, before anything imports jax.

    KDJAX_PARITY_PLATFORM=gpu pytest parity_tests     # kdjax on the GPU (precision "highest"), torch without TF32
"""
import os

PLATFORM = os.environ.get("KDJAX_PARITY_PLATFORM", "cpu")
os.environ["JAX_ENABLE_X64"] = "1"
if PLATFORM == "cpu":
    os.environ["JAX_PLATFORMS"] = "cpu"
else:
    os.environ["JAX_PLATFORMS"] = "cuda,cpu"
    os.environ["JAX_DEFAULT_MATMUL_PRECISION"] = "highest"

import torch  # noqa: E402
from hypothesis import settings  # noqa: E402

from parity_tests.tolerances import RECORD  # noqa: E402

torch.set_num_threads(2)
torch.backends.cuda.matmul.allow_tf32 = False
torch.backends.cudnn.allow_tf32 = False
settings.register_profile("parity", derandomize=True, deadline=None, max_examples=20, database=None)
settings.load_profile("parity")


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: takes more than about 20 seconds")


def pytest_terminal_summary(terminalreporter):
    """One line a level: the worst error seen, so that a pass also says how close."""
    worst = {}
    for (level, subject, dtype), (err, count) in RECORD.items():
        best = worst.setdefault(f"{level} {dtype}", [-1.0, "", 0])
        if err > best[0]:
            best[:2] = err, subject
        best[2] += count
    for level, (err, subject, count) in sorted(worst.items()):
        terminalreporter.write_line(f"parity {level}: worst error {err:.1e} ({subject}), {count} comparisons")
