"""Seconds from the command to the first step of training: `python benchmarks/start.py [--pairs A/B] [--json FILE]`.

Each start is a process of its own, through the front door, on 640 random images with a freshly initialised teacher:
with an empty cache of compiled programs, the same command again, another seed, another learning rate. Medians of
rounds, each of which begins with an empty cache. --tree: another checkout's kdjax, to compare with.
"""
import argparse
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import jax
import numpy as np

from benchmarks.talk import ROOT
from kdjax import models
from kdjax.weights.folder import save_network

STARTS = {"first": [], "second": [], "another seed": ["--config.seed=1"], "another rate": ["--config.optim.lr=0.02"]}


def prepare(folder: pathlib.Path, teacher: str) -> None:
    """Random images and a teacher."""
    r, sizes = np.random.default_rng(0), {"train": 640, "test": 64}
    images = {f"{split}_images": r.integers(0, 256, (n, 32, 32, 3), np.uint8) for split, n in sizes.items()}
    np.savez(folder / "data.npz", **images, **{f"{split}_labels": np.arange(n) % 100 for split, n in sizes.items()})
    net = models.build(teacher, num_classes=100, image_size=32)
    save_network(folder / "teacher", net, net.init(jax.random.key(0)), {})


def command(folder: pathlib.Path, method: str, student: str) -> list[str]:
    """A run of two steps that tells the first."""
    fields = {"data.dataset": folder / "data.npz", "data.image_size": 32, "teacher.checkpoint": folder / "teacher",
              "teacher.name": "", "teacher.min_accuracy": 0, "student.name": student, "train.steps": 2,
              "train.epochs": 1, "optim.schedule.milestones": "()", "log.tensorboard": False, "log.plots": False,
              "log.every_steps": 1, "experiment.compare": False}
    return ["-u", "-m", "kdjax.main", "--config", f"configs/{method}.py",
            *(f"--config.{field}={value}" for field, value in fields.items())]


def seconds(tree: str, words: list[str], cache: pathlib.Path) -> dict[str, float]:
    """{"line", "step": seconds until the first of it is told}."""
    found, env, began = {}, {**os.environ, "KDJAX_CACHE": str(cache)}, time.perf_counter()
    with subprocess.Popen([sys.executable, *words], cwd=tree, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, start_new_session=True) as process:
        for line in process.stdout:
            found.setdefault("line", time.perf_counter() - began)
            if "step 1/" in line:
                found["step"] = time.perf_counter() - began
                os.killpg(process.pid, signal.SIGKILL)
    if "step" not in found:
        raise SystemExit(f"{' '.join(words)} in {tree} told no step")
    return found


def measure(folder: pathlib.Path, tree: str, words: list[str], rounds: int) -> dict[str, dict[str, float]]:
    """{start: {"line", "step": median seconds}}."""
    times = {name: [] for name in STARTS}
    for n in range(rounds):
        for name, more in STARTS.items():
            own = [*words, *more, "--workdir", str(folder / f"run {n} {name}")]
            times[name].append(seconds(tree, own, folder / f"cache {n}"))
    return {name: {what: statistics.median(t[what] for t in found) for what in ("line", "step")}
            for name, found in times.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--method", default="kd")
    parser.add_argument("--pairs", default="wrn_40_2/wrn_16_2")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tree", default=str(ROOT))
    parser.add_argument("--json", help="also write the figures here")
    args = parser.parse_args()
    rows = []
    for pair in args.pairs.split(","):
        teacher, student = pair.split("/")
        with tempfile.TemporaryDirectory() as folder:
            place = pathlib.Path(folder)
            prepare(place, teacher)
            got = measure(place, args.tree, command(place, args.method, student), args.rounds)
        rows.append({"pair": pair, "method": args.method, "seconds": got})
        print(f"{pair} {args.method}: " + "  ".join(f"{name} {s['step']:.1f} s" for name, s in got.items()), flush=True)
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps({"rows": rows}, indent=1))


if __name__ == "__main__":
    main()
