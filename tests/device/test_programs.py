"""The programs beside ordinary distillation on several devices: judged on the figures of programs_devices.py."""
import json
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXACT = 1e-12  # float64: the order of sums alone differs


@pytest.fixture(scope="module")
def figures():
    command = [sys.executable, ROOT / "tests" / "device" / "programs_devices.py"]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu", "PJRT_NPROC": "8",
           "XLA_FLAGS": "--xla_force_host_platform_device_count=4 --xla_backend_optimization_level=0"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_several_devices_train_what_one_trains(figures):
    assert len(figures) == 5
    for name, found in figures.items():
        assert found.pop("moved") > 1e-3, name
        assert "4" in found and max(found.values()) < EXACT, (name, found)
