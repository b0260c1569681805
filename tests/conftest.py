"""Tests run on the CPU and share one cache of compiled programs, so that a subprocess need not compile again."""
import os
import pathlib
import tempfile

import pytest

os.environ.setdefault("JAX_PLATFORMS", "cpu")
CACHE = pathlib.Path(tempfile.gettempdir()) / f"kdjax-tests-xla-{os.getuid()}"
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(CACHE))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.5")

SHARED = pathlib.Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture
def shared():
    """The folder of golden numbers and data beside the project, where there is one."""
    if not SHARED.is_dir():
        pytest.skip("the folder shared/ is not beside the project")
    return SHARED
