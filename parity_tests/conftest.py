"""Precision and platform of the suite; the tests of tests/, which may run in the same process, keep theirs.

    KDJAX_PARITY_PLATFORM=gpu pytest parity_tests     # kdjax on the GPU (precision "highest"), torch without TF32
"""
import os
import pathlib

PLATFORM = os.environ.get("KDJAX_PARITY_PLATFORM", "cpu")
if PLATFORM == "cpu":
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
else:
    os.environ["JAX_PLATFORMS"] = "cuda,cpu"

import pytest  # noqa: E402
import torch  # noqa: E402

from parity_tests import compared  # noqa: E402
from parity_tests.tolerances import RECORD  # noqa: E402

torch.set_num_threads(1)  # beside kdjax more threads only wait for each other on a small machine
torch.backends.cuda.matmul.allow_tf32 = False
torch.backends.cudnn.allow_tf32 = False


BY_CASE = {"test_updates.py", "test_trajectories.py"}  # both look at the same steps of a case: one process plays them
QUICK = {"test_losses.py", "test_views.py", "test_schedules.py", "test_metrics.py"}  # of the quick lane


@pytest.hookimpl(tryfirst=True)  # before the root's, which groups what has no group
def pytest_collection_modifyitems(items):
    """Marks what only the second lane runs, and leaves out comparisons of the reference that cannot have changed."""
    here, due = pathlib.Path(__file__).parent, compared.is_due()
    idle = pytest.mark.skip(reason="neither the torch reference nor a golden file changed since they were compared; "
                                   "KDJAX_PARITY_FULL=1 compares them again")
    for item in items:
        if item.path.parent == here and item.path.name not in QUICK:
            item.add_marker(pytest.mark.parity)
            if item.path.name in BY_CASE:
                item.add_marker(pytest.mark.xdist_group(case_of(item)))
            if item.path.name.startswith("test_reference_") and not due:
                item.add_marker(idle)


def case_of(item) -> str:
    """The group of a test that looks at a case's steps; that of its file for any other."""
    from parity_tests import cases  # not above: it imports jax, see below

    name = item.callspec.params.get("name") if hasattr(item, "callspec") else None
    return f"case {name}" if name in cases.CASES else item.path.name


@pytest.fixture(autouse=True)
def exact_arithmetic():
    """float64 allowed, and float32 products that are float32 on a GPU too."""
    import jax  # not above: what jax reads from the environment is not final before every conftest has run

    with jax.enable_x64(True), jax.default_matmul_precision("highest"):
        yield


@pytest.fixture
def torch_alone():
    """Two threads, for tests in which kdjax computes nothing."""
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(1)


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
