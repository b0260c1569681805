"""Disturbs runs and compares what they become with a run that nobody disturbed.

    python -m tests.chaos --runs 50 [--seed 0] [--methods itrd,crd,ft] [--points step,save] [--polite] [--json]

A run is killed (SIGKILL) at random calls of what a run is made of, before or after them, or at a random time, up to
CHAIN times; then the same command finishes it. Parameters, statistics, memories, optimiser, metrics.jsonl, result.json
and the exported student must be bit-identical to the undisturbed run's, times aside. --polite sends SIGTERM, SIGINT or
SIGUSR1 instead: the run must also say so, without a traceback, and end with status 75.

One process imports everything and forks the runs: JAX has started nothing by then, and a run costs seconds less.
"""
from __future__ import annotations

import argparse
import collections
import hashlib
import importlib
import json
import os
import pathlib
import random
import shutil
import signal
import sys
import tempfile
import time
import warnings

CHAIN, DEADLINE = 3, 300
KEPT = 3  # the newest two steps and the best one
TIMES = {"time", "date", "command", "revision", "seconds", "wall_clock_seconds", "images_per_second", "images",
         "speed_seconds"}
POINTS = {  # what a run is made of: owner, attribute
    "loading": ("kdjax.data.source", "load"), "teacher": ("kdjax.run.teachers", "load"),
    "methods": ("kdjax.methods", "build"),
    "config": ("kdjax.run.header", "write_config"), "restore": ("kdjax.run.checkpoints:RunCheckpoints", "restore"),
    "stage": ("kdjax.run.loop:StageLoop", "train"), "compile": ("kdjax.step.device_step", "pick"),
    "step": ("kdjax.device.processes:Vote", "ballot"), "wait": ("kdjax.device.processes:Vote", "hear"),
    "place": ("kdjax.device.placement:Placement", "put"), "record": ("kdjax.run.log:RunLog", "record"),
    "evaluation": ("kdjax.run.look:Observatory", "over"), "epoch": ("kdjax.run.loop:StageLoop", "close_epoch"),
    "save": ("kdjax.run.checkpoints:RunCheckpoints", "save"), "arrays": ("kdjax.run.checkpoints", "_write_arrays"),
    "manifest": ("kdjax.run.checkpoints", "atomic_write_bytes"), "flush": ("kdjax.run.checkpoints", "fsync_tree"),
    "rename": ("pathlib:Path", "rename"), "prune": ("kdjax.run.step_folders:StepFolders", "prune"),
    "student": ("kdjax.run.run", "save_network"), "torch": ("kdjax.run.run", "save_torch"),
    "result": ("kdjax.run.folder", "write_json"), "replace": ("os", "replace"),
}
BASE = ["--config.train.epochs=2", "--config.train.init_epochs=1", "--config.data.per_class=8",
        "--config.data.batch_size=16", "--config.data.eval_batch_size=120", "--config.data.image_size=16",
        "--config.teacher.min_accuracy=0",
        "--config.log.every_steps=2", "--config.method.feat_dim=16", "--config.method.crd.num_negatives=16",
        "--config.log.tensorboard=False", "--config.log.plots=False"]


def owner_of(path: str):
    """The module, or the class in it ("module:Class")."""
    module, _, name = path.partition(":")
    found = importlib.import_module(module)
    return getattr(found, name) if name else found


def watch(strike) -> collections.Counter:
    """Wraps every point: strike(name, which call, "before" or "after") is called around each. Returns the counts."""
    counts = collections.Counter()

    def wrapped(name, function):
        def call(*args, **kwargs):
            counts[name] += 1
            mine = counts[name]
            strike(name, mine, "before")
            value = function(*args, **kwargs)
            strike(name, mine, "after")
            return value
        return call

    for name, (owner, attribute) in POINTS.items():
        setattr(owner_of(owner), attribute, wrapped(name, getattr(owner_of(owner), attribute)))
    return counts


class Campaign:
    """Runs of one method in `folder`, whose teacher is made here."""

    def __init__(self, folder: pathlib.Path, method: str):
        self.folder, self.method = folder / method, method
        self.folder.mkdir(parents=True)
        pair = f"teacher={self.folder / 'teacher'},student=wrn_10_1,dataset=digits"
        self.arguments = [f"--config=configs/{method}.py:{pair}", *BASE]
        self.fork(lambda: make_teacher(self.folder / "teacher"))
        began = time.monotonic()
        assert self.run("whole") == 0, self.said("whole")
        self.whole, self.length = outcome(self.folder / "whole"), time.monotonic() - began
        self.counts = json.loads((self.folder / "whole.counts").read_text())

    def fork(self, action, seconds: float | None = None) -> int:
        """action() in a child; its status, or minus the signal that ended it. seconds: when to kill it."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # JAX warns of forks; nothing of it runs yet
            child = os.fork()
        if child == 0:
            os._exit(action() or 0)
        end = time.monotonic() + (DEADLINE if seconds is None else seconds)
        while (done := os.waitpid(child, os.WNOHANG))[0] == 0 and time.monotonic() < end:
            time.sleep(0.01)
        if done[0] == 0:
            os.kill(child, signal.SIGKILL)
            done = os.waitpid(child, 0)
            assert seconds is not None, f"a run took longer than {DEADLINE} s"
        return os.waitstatus_to_exitcode(done[1])

    def run(self, name: str, blow: tuple | None = None, seconds: float | None = None, extra=()) -> int:
        """The command in the run folder `name`. blow: (point, which call, before or after, signal)."""
        return self.fork(lambda: self.child(name, blow, extra), seconds)

    def child(self, name: str, blow, extra) -> int:
        """What a child does: its words go to NAME.said, its counts to NAME.counts."""
        from kdjax import main
        from kdjax.config.command_line import guarded
        said = os.open(self.folder / f"{name}.said", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(said, 1), os.dup2(said, 2)

        def strike(*where):
            if blow and where == blow[:3]:
                os.kill(os.getpid(), blow[3])

        counts = watch(strike)
        status = guarded(lambda: main.main([*self.arguments, *extra, f"--workdir={self.folder / name}"]))
        sys.stdout.flush(), sys.stderr.flush()
        (self.folder / f"{name}.counts").write_text(json.dumps(counts))
        return status

    def said(self, name: str) -> str:
        """What the runs in a folder said."""
        return (self.folder / f"{name}.said").read_text()

    def blow(self, rng: random.Random, signals, point: str | None = None) -> tuple:
        """A random call of `point`, or of a random one."""
        point = point or rng.choice(sorted(self.counts))
        return point, rng.randint(1, self.counts[point]), rng.choice(["before", "after"]), rng.choice(signals)

    def disturbed(self, name: str, blows) -> list:
        """Lets each blow hit the run of `name`, then finishes and compares it; returns the blows that hit.

        A blow is as in `run`, or a number of seconds after which the run is killed.
        """
        hit = []
        for blow in blows:
            timed = isinstance(blow, float)
            status = self.run(name, *((None, blow) if timed else (blow,)))
            if status == 0:
                continue  # the run was over before the blow came
            polite = not timed and blow[3] != signal.SIGKILL
            assert status == (75 if polite else -signal.SIGKILL), f"{blow}: status {status}\n{self.said(name)}"
            assert not polite or "stopped by SIG" in self.said(name)
            hit.append(blow)
        assert self.run(name) == 0, self.said(name)
        assert "Traceback" not in self.said(name), self.said(name)
        found = outcome(self.folder / name)
        wrong = [key for key in self.whole if found[key] != self.whole[key]]
        assert not wrong, f"{self.method} differs in {wrong} after {hit}: {[(found[k], self.whole[k]) for k in wrong]}"
        shutil.rmtree(self.folder / name)
        return hit


def make_teacher(path: pathlib.Path) -> None:
    """A small network with random weights."""
    import jax

    from kdjax import models
    from kdjax.weights.folder import save_network
    net = models.build("resnet8", num_classes=10, image_size=16)
    save_network(path, net, net.init(jax.random.key(1)), {})


def timeless(value):
    """JSON values without their times."""
    if isinstance(value, dict):
        return {k: timeless(v) for k, v in value.items() if k not in TIMES}
    return [timeless(v) for v in value] if isinstance(value, list) else value


def outcome(folder: pathlib.Path) -> dict:
    """All that a finished run is, times aside: files, checksums of every leaf, metrics, result."""
    from kdjax.files.checksums import check_files
    from kdjax.run.step_folders import StepFolders
    steps = StepFolders(folder / "checkpoints")
    manifest = steps.manifest(steps.latest())
    check_files(steps.folder / steps.latest(), manifest["files"])
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    epochs = [(row["stage"], row["epoch"]) for row in rows if row["kind"] == "epoch"]
    digest = lambda name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
    return {"step": manifest["step"], "leaves": manifest["leaves"], "meta": timeless(manifest["meta"]["history"]),
            "disk use is bounded": len(steps.names()) <= KEPT, "files": sorted(os.listdir(folder)),
            "every epoch once": len(epochs) == len(set(epochs)), "metrics": timeless(rows),
            "result": timeless(json.loads((folder / "result.json").read_text())),
            "student": [digest("student/weights.safetensors"), digest("student/network.json"), digest("student.pth")]}


def preload() -> None:
    """Imports all that a run needs, and starts nothing."""
    for module in ("sklearn.datasets", "kdjax.run.run", "kdjax.main"):
        importlib.import_module(module)
    import jax
    assert not jax._src.xla_bridge._backends, "JAX has started: its runs cannot be forked"


def name_of(blow) -> str:
    """A blow in words."""
    return f"after {blow:.2f} s" if isinstance(blow, float) else f"{blow[2]} {blow[0]} {blow[1]}"


def campaign(methods, runs: int, seed: int, signals, points=(), timed: float = 0.25) -> dict:
    """`runs` blows in all, shared between the methods: at each of `points` once, then anywhere; a `timed` part of those
    kills comes at random times. Returns {method: the blows in words}."""
    preload()
    rng, report = random.Random(seed), {}
    with tempfile.TemporaryDirectory(prefix="kdjax-chaos-") as folder:
        for number, method in enumerate(methods):
            mine, hits, tries = runs // len(methods) + (number < runs % len(methods)), [], 0
            this = Campaign(pathlib.Path(folder), method)
            waiting = [this.blow(rng, signals, point) for point in points if point in this.counts]
            while len(hits) < mine:
                tries += 1
                assert tries < 20 + 3 * mine, "the blows do not hit"
                anywhere = lambda: (rng.uniform(0, this.length) if signal.SIGKILL in signals and rng.random() < timed
                                    else this.blow(rng, signals))
                blows = [*waiting, *(anywhere() for _ in range(CHAIN))][:min(CHAIN, mine - len(hits))]
                now = this.disturbed(f"run{tries}", blows)
                waiting = [blow for blow in waiting if blow not in now]
                hits += now
            report[method] = [name_of(blow) for blow in hits]
    return report


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser("tests.chaos", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=12, help="how many blows (default: 12)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--methods", default="itrd,crd,ft")
    parser.add_argument("--points", default="", help=f"points to strike first, of {', '.join(POINTS)}")
    parser.add_argument("--polite", action="store_true", help="SIGTERM, SIGINT and SIGUSR1 instead of SIGKILL")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    signals = [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1] if args.polite else [signal.SIGKILL]
    began = time.monotonic()
    points = [point for point in args.points.split(",") if point]
    report = campaign(args.methods.split(","), args.runs, args.seed, signals, points)
    hits = sum(map(len, report.values()))
    print(json.dumps(report) if args.json else "\n".join(f"{m}: {', '.join(h)}" for m, h in report.items())
          + f"\n{hits} blows survived, bit-identical every time, {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
