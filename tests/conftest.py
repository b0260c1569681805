"""Tests run on the CPU and share one cache of compiled programs, so that a subprocess need not compile again."""
import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest

os.environ.setdefault("JAX_PLATFORMS", "cpu")
CACHE = pathlib.Path(tempfile.gettempdir()) / f"kdjax-tests-xla-{os.getuid()}"
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(CACHE))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.5")
os.environ.setdefault("KDJAX_STARTED", "")  # commands keep the environment that a test gives them

SHARED = pathlib.Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture
def shared():
    """The folder of golden numbers and data beside the project, where there is one."""
    if not SHARED.is_dir():
        pytest.skip("the folder shared/ is not beside the project")
    return SHARED


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 12 MB of its own: (folder, remount)."""
    def mount(*options):
        return subprocess.run(["mount", *options, str(tmp_path)], capture_output=True, check=False).returncode == 0

    if os.getuid() != 0 or not shutil.which("mount") or not mount("-t", "tmpfs", "-o", "size=12m", "tmpfs"):
        pytest.skip("mounting a small disk needs root")
    yield tmp_path, lambda mode: mount("-o", f"remount,{mode}")
    subprocess.run(["umount", "-l", str(tmp_path)], check=True)
