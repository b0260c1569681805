"""What a command settles before JAX starts."""
import json
import os
import pathlib
import subprocess
import sys

import pytest

from kdjax.device import start

ROOT = pathlib.Path(__file__).resolve().parents[2]
CPU = {"JAX_PLATFORMS": "cpu", "KDJAX_CPU_DEVICES": "3", "KDJAX_CACHE": "/c"}
PROGRAM = """
import json, os, sys
from kdjax.device import start
if __name__ == "__main__":
    start.begin()
print(json.dumps([dict(os.environ), sys.argv[1:], os.getpid(), "jax" in sys.modules, start.described()]))
"""


def test_a_cpu_gets_a_device_a_core_and_keeps_its_memory_and_its_programs(monkeypatch):
    monkeypatch.setattr(start.platform, "libc_ver", lambda: ("glibc", "2.36"))
    monkeypatch.setattr(start, "cores", lambda: 2)
    assert start.settings(CPU) == start.MALLOC | {
        "XLA_FLAGS": "--xla_force_host_platform_device_count=3", start.THREADS: "5",
        "JAX_COMPILATION_CACHE_DIR": "/c/compiled", "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.1",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "0"}


@pytest.mark.parametrize(("env", "absent"), [
    ({"XLA_FLAGS": "--xla_force_host_platform_device_count=1"}, {"XLA_FLAGS"}),
    ({"KDJAX_CPU_DEVICES": "1"}, {"XLA_FLAGS", start.THREADS}), ({"NPROC": "9"}, {start.THREADS}),
    ({start.THREADS: "9"}, {start.THREADS}),
    ({"KDJAX_MALLOC": "off"}, start.MALLOC.keys()),
    ({"LD_PRELOAD": "/lib/libjemalloc.so.2"}, start.MALLOC.keys()),
    ({"MALLOC_ARENA_MAX": "4"}, {"MALLOC_ARENA_MAX"}),
    ({"KDJAX_COMPILATION_CACHE": "off"}, {"JAX_COMPILATION_CACHE_DIR"}),
    ({"JAX_COMPILATION_CACHE_DIR": "/own"}, {"JAX_COMPILATION_CACHE_DIR"}),
    ({"JAX_PLATFORMS": "cuda"}, {"XLA_FLAGS", *start.MALLOC}),
])
def test_what_the_user_set_stays(env, absent):
    assert not start.settings(CPU | env).keys() & set(absent)


def test_devices_that_the_user_forced_get_their_threads_too(monkeypatch):
    monkeypatch.setattr(start, "cores", lambda: 2)
    own = start.settings(CPU | {"XLA_FLAGS": "--xla_force_host_platform_device_count=8 --a=1"})
    assert own[start.THREADS] == "10" and "XLA_FLAGS" not in own


def test_the_pool_has_so_many_threads():
    """XLA reads the variable: without it a run could wait for ever, and no test would notice."""
    code = ("import os, jax; jax.devices(); names = [open(f'/proc/self/task/{t}/comm').read().strip() for t in "
            "os.listdir('/proc/self/task')]; print(names.count('tf_XLAEigen'))")
    env = os.environ | {"JAX_PLATFORMS": "cpu", start.THREADS: "7"}
    if sys.platform != "linux":
        pytest.skip("counts threads by /proc")
    assert subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True,
                          check=True).stdout.strip() == "7"


def test_other_flags_of_xla_are_kept():
    assert start.settings(CPU | {"XLA_FLAGS": "--a=1"})["XLA_FLAGS"] == (
        "--a=1 --xla_force_host_platform_device_count=3")


@pytest.mark.parametrize(("files", "packages", "cpu"), [
    ([], [], True), (["/dev/nvidia0"], [], True), (["/dev/nvidia0"], ["jax_plugins"], False),
    ([], ["jax_plugins"], True)])
def test_an_accelerator_counts_when_it_is_there_and_jax_can_use_it(monkeypatch, files, packages, cpu):
    monkeypatch.setattr(start.glob, "glob", lambda pattern: [f for f in files if f.startswith(pattern[:11])])
    monkeypatch.setattr(start.importlib.util, "find_spec", lambda name: name in packages or None)
    assert start.on_cpu({}) == cpu


def test_the_process_is_started_anew_once_with_the_same_arguments_before_jax(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    env = {k: v for k, v in os.environ.items() if not k.startswith(("MALLOC", "XLA", "JAX", "KDJAX"))}
    popen = subprocess.Popen([sys.executable, program, "--a", "b c"], stdout=subprocess.PIPE, text=True,
                             env=env | CPU | {"PYTHONPATH": str(ROOT)})
    said, _ = popen.communicate()
    env, arguments, pid, jax_was_there, described = json.loads(said)
    assert (popen.returncode, arguments, pid, jax_was_there) == (0, ["--a", "b c"], popen.pid, False)
    assert env["XLA_FLAGS"].endswith("device_count=3")
    assert "xla_force_host_platform_device_count=3" in described
    assert "/c/compiled" in described
    assert ("MALLOC_MMAP_MAX_=0" in described) == ("MALLOC_MMAP_MAX_" in env)


def test_importing_a_command_changes_nothing():
    code = "import os; before = dict(os.environ); import kdjax.main; assert dict(os.environ) == before"
    env = {k: v for k, v in os.environ.items() if k != start.STARTED} | {"PYTHONPATH": str(ROOT)}
    assert subprocess.run([sys.executable, "-c", code], env=env, check=False).returncode == 0


def test_nothing_is_said_outside_commands():
    assert start.described({"XLA_FLAGS": "--xla_force_host_platform_device_count=8"}) == ""
    assert start.described({start.STARTED: ""}) == ""
