"""What must be decided before JAX, or the process itself, starts: virtual CPU devices, memory, compiled programs.

Only a command calls `begin()`, first of all; importing kdjax changes nothing. Imports neither JAX nor kdjax.

XLA's convolutions on a CPU run on one core, so a CPU with n cores becomes n virtual devices, over which the batch is
split; in float64 the result does not depend on their number (tests/device). glibc hands every large array back to the
kernel and faults it in again at every step; told to keep them, a step of wrn_40_2 -> wrn_16_2 takes 300 instead of
385 ms on 2 cores. glibc reads that before the program begins, so the command starts itself once more.

A device that waits for the others in an all-reduce holds a thread of XLA's pool, which has one a core: two runs of some
fifty, on two busy cores, waited for ever and were ended by XLA (jax 0.10.2). The pool gets one more for every device.
"""
from __future__ import annotations

import glob
import importlib.util
import math
import os
import platform
import re
import sys
from pathlib import Path

STARTED = "KDJAX_STARTED"  # set in the process that was started anew; its value: what was set, for `described`
DEVICES = "--xla_force_host_platform_device_count"
THREADS = "PJRT_NPROC"  # how many threads XLA's pool has
MALLOC = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "100000000000", "MALLOC_ARENA_MAX": "1"}
ALLOCATORS = ("jemalloc", "tcmalloc", "mimalloc")
ACCELERATORS = {  # a device's file: the package by which JAX uses it
    "/dev/nvidia[0-9]*": "jax_plugins", "/dev/kfd": "jax_plugins", "/dev/accel*": "libtpu",
    "/dev/vfio/[0-9]*": "libtpu"}


def begin() -> None:
    """Settles the environment; where glibc must see it, starts the same command anew in this process, once.

    Every variable that is set already stays as it is; KDJAX_CPU_DEVICES=n overrides the number of devices (1: as JAX
    by itself), KDJAX_MALLOC=off and KDJAX_COMPILATION_CACHE=off (or a folder) the rest.
    """
    if STARTED in os.environ:
        return
    wanted = settings(os.environ)
    os.environ.update(wanted, **{STARTED: " ".join(sorted(wanted))})
    if wanted.keys() & MALLOC.keys() and not sys.flags.interactive:
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def settings(env) -> dict[str, str]:
    """The variables to set, given those that are set."""
    return {**(cpu_settings(env) if on_cpu(env) else {}), **cache_settings(env)}


def on_cpu(env) -> bool:
    """Whether JAX will compute on the CPU, as far as can be told without starting it."""
    if chosen := env.get("JAX_PLATFORMS", env.get("JAX_PLATFORM_NAME", "")):
        return chosen.split(",")[0] == "cpu"
    return not any(glob.glob(file) and importlib.util.find_spec(package) for file, package in ACCELERATORS.items())


def cpu_settings(env) -> dict[str, str]:
    """A device a core, threads to spare, and memory that is kept. What a user chose of these is left alone."""
    found, flags = {}, env.get("XLA_FLAGS", "")
    count = env.get("KDJAX_CPU_DEVICES", "")
    count = int(count) if count.isdecimal() and int(count) else cores()
    forced = re.search(rf"{DEVICES}=(\d+)", flags)
    if not forced and count > 1:
        found["XLA_FLAGS"] = f"{flags} {DEVICES}={count}".strip()
    if (devices := int(forced[1]) if forced else count) > 1 and not {THREADS, "NPROC"} & set(env):
        found[THREADS] = str(cores() + devices)
    own = any(name in env.get("LD_PRELOAD", "") for name in ALLOCATORS) or "malloc" in env.get("GLIBC_TUNABLES", "")
    if env.get("KDJAX_MALLOC") != "off" and not own and platform.libc_ver()[0] == "glibc":
        found |= {name: value for name, value in MALLOC.items() if name not in env}
    return found


def cores() -> int:
    """How many cores this process may use: its affinity, and the quota of its container."""
    mine = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return max(1, min(mine, math.ceil(int(quota) / int(period))))
    except (OSError, ValueError):  # no control groups, or "max"
        return mine


def cache_settings(env) -> dict[str, str]:
    """Where compiled programs are kept: KDJAX_COMPILATION_CACHE, else `compiled` in the cache folder. Programs that
    compile in less than a tenth of a second are not worth a file."""
    where = env.get("KDJAX_COMPILATION_CACHE", "")
    if where == "off" or "JAX_COMPILATION_CACHE_DIR" in env:
        return {}
    folder = Path(where or Path(env.get("KDJAX_CACHE") or Path.home() / ".cache" / "kdjax") / "compiled").expanduser()
    return {"JAX_COMPILATION_CACHE_DIR": str(folder), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.1",
            "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "0"}


def described(env=os.environ) -> str:
    """What a command set by itself, in one line for a run's header; "" outside commands."""
    names = env.get(STARTED, "").split()
    parts = []
    if "XLA_FLAGS" in names:
        parts += [flag.lstrip("-") for flag in env.get("XLA_FLAGS", "").split() if flag.startswith(DEVICES)]
    if THREADS in names:
        parts.append(f"{env.get(THREADS)} threads")
    if set(names) & MALLOC.keys():
        parts.append("memory kept (" + " ".join(f"{n}={env.get(n)}" for n in names if n in MALLOC) + ")")
    if "JAX_COMPILATION_CACHE_DIR" in names:
        parts.append(f"compiled programs in {env.get('JAX_COMPILATION_CACHE_DIR')}")
    return ", ".join(parts)
