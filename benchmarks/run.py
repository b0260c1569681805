"""Whole runs over real images, kdjax beside a plain PyTorch program, each in a process of its own, in turn.

    python benchmarks/run.py [--methods kd,itrd,crd,dkd,pkt] [--pair A/B] [--dataset cifar100] [--epochs N]

The same teacher (a checkpoint, else freshly initialised), the same images, evaluation after every epoch, start and
compilation included. "kdjax" runs without the teacher's cache, "kdjax cached" with one that begins empty: what the
table's first run fills serves the others. "torch best": channels_last and memory that is not handed back.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import types

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import jax
import numpy as np

from benchmarks.talk import MALLOC, ROOT
from kdjax import models, weights
from kdjax.config import default
from kdjax.data import source
from kdjax.weights.folder import save_network, save_torch


def prepare(folder: pathlib.Path, args) -> types.SimpleNamespace:
    """The images as a .npz and the teacher in both forms."""
    options = default().data
    options.update({"dataset": args.dataset, "dir": args.dir, "image_size": 32, "per_class": args.per_class})
    data = source.load(options, seed=0)
    shown = args.test_images or len(data.test.labels)
    np.savez(folder / "data.npz", train_images=data.train.images, train_labels=data.train.labels,
             test_images=data.test.images[:shown], test_labels=data.test.labels[:shown])
    teacher, student = args.pair.split("/")
    if args.teacher:
        net, variables = weights.load(args.teacher)
    else:
        net = models.build(teacher, num_classes=data.num_classes, image_size=32)
        variables = net.init(jax.random.key(0))
    save_network(folder / "teacher", net, variables, {})
    save_torch(folder / "teacher.pth", net, variables)
    return types.SimpleNamespace(folder=folder, pair=args.pair, student=student, epochs=args.epochs)


def timed(command: list[str], **env: str) -> float:
    """Seconds of a whole process."""
    began = time.perf_counter()
    env = {**os.environ, **env}
    done = subprocess.run([sys.executable, *command], cwd=ROOT, env=env, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with status {done.returncode}:\n{done.stderr[-2000:]}")
    return time.perf_counter() - began


def kdjax(this, method: str, name: str, cache: str, programs: str) -> float:
    """Seconds of one run. cache: teacher.cache; its folder is the benchmark's own."""
    fields = {"data.dataset": this.folder / "data.npz", "teacher.checkpoint": this.folder / "teacher",
              "teacher.name": "", "teacher.min_accuracy": 0, "student.name": this.student, "data.image_size": 32,
              "train.epochs": this.epochs, "optim.schedule.milestones": "()", "teacher.cache": cache,
              "data.cache_dir": this.folder / "cache", "log.tensorboard": False, "log.plots": False,
              "experiment.compare": False}
    words = [f"--config.{field}={value}" for field, value in fields.items()]
    return timed(["-m", "kdjax.main", "--config", f"configs/{method}.py", *words, "--workdir", str(this.folder / name)],
                 KDJAX_COMPILATION_CACHE=str(this.folder / programs))


def torch(this, method: str, best: bool) -> float:
    """Seconds of one PyTorch run."""
    return timed(["benchmarks/torch_side.py", "run", method, "--pair", this.pair, "--teacher",
                  str(this.folder / "teacher.pth"), "--data", str(this.folder / "data.npz"), "--epochs",
                  str(this.epochs), *(["--best"] if best else [])], **(MALLOC if best else {}))


SIDES = {
    "torch": lambda this, method: torch(this, method, best=False),
    "torch best": lambda this, method: torch(this, method, best=True),
    "kdjax": lambda this, method: kdjax(this, method, f"off-{method}", "off", "programs-off"),
    "kdjax cached": lambda this, method: kdjax(this, method, f"disk-{method}", "disk", "programs-disk")}


def table(this, methods: list[str], sides: list[str]) -> dict:
    """Seconds by method and side, in turn."""
    rows = {}
    for method in methods:
        rows[method] = {side: SIDES[side](this, method) for side in sides}
        print(f"{method}: " + "  ".join(f"{side} {s:.1f} s" for side, s in rows[method].items()), flush=True)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--methods", default="kd,itrd,crd,dkd,pkt")
    parser.add_argument("--pair", default="wrn_40_2/wrn_16_2")
    parser.add_argument("--teacher", default="", help="a checkpoint (default: freshly initialised)")
    parser.add_argument("--dataset", default="digits")
    parser.add_argument("--dir", default="")
    parser.add_argument("--per_class", type=int, default=0, help="so many of every class to train on")
    parser.add_argument("--test_images", type=int, default=0, help="the first so many (default: all)")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--sides", default=",".join(SIDES))
    parser.add_argument("--json", help="also write the figures here")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = table(prepare(pathlib.Path(folder), args), args.methods.split(","), args.sides.split(","))
    total = {side: sum(row[side] for row in rows.values()) for side in next(iter(rows.values()))}
    print("all: " + "  ".join(f"{side} {s:.1f} s" for side, s in total.items()))
    if args.json:
        with open(args.json, "w") as f:
            asked = ("pair", "dataset", "per_class", "test_images", "epochs")
            json.dump({**{name: getattr(args, name) for name in asked}, "rows": rows, "total": total}, f, indent=1)


if __name__ == "__main__":
    main()
