"""What people get wrong: a table, and the process that tries it.

`python -m tests.commands.bad_inputs FOLDER` makes the files that the table names in FOLDER, runs every command line in
a child of its own (forked, so that nothing is imported twice) and prints one JSON object a case.
"""
from __future__ import annotations

import json
import os
import pathlib
import shutil
import sys
import time
import warnings

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
VANILLA = ["main", "--config=configs/vanilla.py:demo"]
KD = ["main", "--config=configs/kd.py:demo,teacher=./good"]
SMALL = ["--config.data.image_size=16", "--config.data.per_class=8", "--config.data.batch_size=16",
         "--config.train.epochs=1", "--config.optim.schedule.scale=True", "--config.teacher.min_accuracy=0"]


def small(*words):
    """A distillation that would run, but for `words`."""
    return [*KD, *SMALL, *words]


# name: (program and arguments, what the sentence must say); {root} is the project's folder.
CASES = {
    # ------------------------------------------------------------ the command line
    "a word": ([*VANILLA, "please"], "'please' is not understood"),
    "an unknown flag": ([*VANILLA, "--wrokdir=x"], "did you mean --workdir?"),
    "no config": (["main", "--workdir=x"], "say what to run"),
    "no config value": (["main", "--config"], "--config needs a value"),
    "an empty config": (["main", "--config="], "--config needs a value"),
    "no workdir value": ([*VANILLA, "--workdir"], "--workdir needs a value"),
    "no field value": ([*VANILLA, "--config.seed"], "config.seed needs a value"),
    "an original flag without its value": (["main", "--distill", "kd", "-a"], "-a needs a value"),
    "an unknown method by the original flag": (["main", "--distill", "crdd"], "'crdd'; did you mean crd"),
    "a wrong value by the original flag": (["main", "--distill", "kd", "-a", "x"], "loss.alpha='x' is not a number"),
    # ------------------------------------------------------------ config files
    "no such config file": (["main", "--config=configs/vanila.py"], "did you mean configs/vanilla.py?"),
    "a folder as config": (["main", "--config=configs"], "there is no config file 'configs'"),
    "a syntax error": (["main", "--config=syntax.py"], "syntax.py failed at line 1 with SyntaxError"),
    "no get_config": (["main", "--config=empty.py"], "empty.py has no function get_config"),
    "a config that raises": (["main", "--config=raises.py"], "raises.py failed at line 2 with ZeroDivisionError"),
    "a config that exits": (["main", "--config=exits.py"], "exits.py failed at line 2 with SystemExit"),
    "a config that imports what is not there": (["main", "--config=imports.py"], "No module named 'no_such_module'"),
    "a config that returns a dict": (["main", "--config=dict.py"], "returned a dict; return a ConfigDict"),
    "a config of other fields": (["main", "--config=other.py"], "start it from kdjax.config.default()"),
    "a config with a field too many": (["main", "--config=surplus.py"], "there is no field config.train.epoch "),
    "a config with a wrong type": (["main", "--config=type.py"], "type.py failed at line 4 with TypeError"),
    "a binary config": (["main", "--config=binary.py"], "binary.py failed"),
    "a config that is no Python file": (["main", "--config=notes.txt"], "notes.txt is not a Python file"),
    "an argument that no config has": (["main", "--config=configs/kd.py:techer=x"], "did you mean 'teacher'?"),
    "an argument of another type": (["main", "--config=configs/kd.py:seed=x"], "seed='x' needs a whole number"),
    "an argument without its value": (["main", "--config=configs/kd.py:teacher="], "teacher='' needs a value"),
    "an experiment that does not exist": (["main", "--config=configs/itrd.py:experiment=14"], "give 1 to 13"),
    # ------------------------------------------------------------ fields
    "an unknown field": ([*VANILLA, "--config.train.epoch=3"], "did you mean config.train.epochs"),
    "an unknown group": ([*VANILLA, "--config.trian.epochs=3"], "did you mean config.train.epochs"),
    "a field below a field": ([*VANILLA, "--config.seed.x=3"], "there is no field config.seed.x"),
    "a group as a field": ([*VANILLA, "--config.loss=3"], "config.loss is a group of fields"),
    "a word for a whole number": ([*VANILLA, "--config.train.epochs=abc"], "'abc' is not a whole number"),
    "a fraction for a whole number": ([*VANILLA, "--config.train.epochs=2.5"], "'2.5' is not a whole number"),
    "a word for a number": ([*VANILLA, "--config.optim.lr=fast"], "config.optim.lr='fast' is not a number"),
    "a word for a flag": ([*VANILLA, "--config.data.flip=maybe"], "'maybe' is not True or False"),
    "a list that is none": ([*VANILLA, "--config.optim.schedule.milestones=(1,a"], "is not a list"),
    "a list of other things": ([*VANILLA, "--config.optim.schedule.milestones=1,a"], "milestones holds '1'"),
    "milestones that fall": ([*VANILLA, "--config.optim.schedule.milestones=3,2"], "in rising order"),
    "no epochs": ([*VANILLA, "--config.train.epochs=0"], "config.train.epochs=0 is too small; give at least 1"),
    "negative epochs": ([*VANILLA, "--config.train.epochs=-3"], "config.train.epochs=-3 is too small"),
    "negative steps": ([*VANILLA, "--config.train.steps=-1"], "config.train.steps=-1 is too small"),
    "an empty batch": ([*VANILLA, "--config.data.batch_size=0"], "config.data.batch_size=0 is too small"),
    "a negative rate": ([*VANILLA, "--config.optim.lr=-0.1"], "config.optim.lr=-0.1 is too small"),
    "a rate that is no number": ([*VANILLA, "--config.optim.lr=nan"], "config.optim.lr=nan is not a finite number"),
    "an infinite weight": ([*VANILLA, "--config.loss.gamma=inf"], "config.loss.gamma=inf is not a finite number"),
    "a negative weight": ([*VANILLA, "--config.loss.beta=-1"], "config.loss.beta=-1.0 is too small"),
    "too much momentum": ([*VANILLA, "--config.optim.momentum=9"], "config.optim.momentum=9.0 is too large"),
    "a temperature of zero": ([*VANILLA, "--config.loss.kd_temperature=0"], "kd_temperature=0.0 is too small"),
    "a negative seed": ([*VANILLA, "--config.seed=-1"], "config.seed=-1 is too small"),
    "a huge seed": ([*VANILLA, "--config.seed=99999999999"], "config.seed=99999999999 is too large"),
    "no checkpoints": ([*VANILLA, "--config.checkpoint.keep=0"], "config.checkpoint.keep=0 is too small"),
    "an unknown schedule": ([*VANILLA, "--config.optim.schedule.kind=linear"], "not one of step, cosine, constant"),
    "an unknown precision": ([*VANILLA, "--config.train.dtype=float16"], "not one of float32, bfloat16, float64"),
    "an unknown answer to NaN": ([*VANILLA, "--config.train.on_nan=pray"], "not one of stop, skip"),
    "an unknown parallel mode": ([*VANILLA, "--config.parallel=ddp"], "not one of jit, pmap"),
    "an unknown method": ([*VANILLA, "--config.method.name=itdr"], "did you mean itrd"),
    "a method that cannot be imported": ([*VANILLA, "--config.method.name=nowhere:Method"], "nowhere:Method"),
    "a method twice": (small("--config.method.names=kd,kd"), "give every method once"),
    "more weights than methods": (small("--config.method.weights=1,2"), "give every method once"),
    "an unknown student": ([*VANILLA, "--config.student.name=resnet9x"], "unknown network 'resnet9x'"),
    "a student that cannot be imported": ([*VANILLA, "--config.student.name=nowhere:Net"], "cannot import nowhere:Net"),
    "an unknown teacher to train": (["main", "--config=configs/kd.py:demo,teacher=resnt14"],
                                    "unknown network 'resnt14'"),
    "a path as a name": ([*VANILLA, "--config.experiment.name=../x"], "is not a name; set --workdir"),
    "an unknown memory": (small("--config.method.name=crd", "--config.method.crd.memory=disk"), "is not a memory"),
    "a layer that is not there": (small("--config.method.name=fitnet", "--config.method.hint.layer=9"), "layer"),
    "replicas that do not divide": (small("--config.replicas=3"), "does not divide into config.replicas=3"),
    "replicas of a memory": (small("--config.method.name=crd", "--config.replicas=2"), "keeps a memory"),
    "more devices than there are": (small("--config.devices=99"), "config.devices=99 but there"),
    "a coordinator without a number": (small("--config.distributed.coordinator=localhost:1",
                                             "--config.distributed.num_processes=2"), "must lie in 0 .. 1"),
    # ------------------------------------------------------------ data
    "an unknown data set": ([*VANILLA, "--config.data.dataset=cifar11"], "did you mean cifar10?"),
    "a data set that is not here": ([*VANILLA, "--config.data.dataset=cifar100", "--config.data.dir=nowhere"],
                                    "data set 'cifar100' not found"),
    "an archive that is none": ([*VANILLA, "--config.data.dataset=./broken.npz"], "broken.npz"),
    "an archive with other arrays": ([*VANILLA, "--config.data.dataset=./other.npz"], "other.npz"),
    "labels out of range": ([*VANILLA, "--config.data.dataset=./labels.npz"], "labels"),
    "no images": ([*VANILLA, "--config.data.dataset=./none.npz"], "none.npz"),
    "an empty folder of images": ([*VANILLA, "--config.data.dataset=./hollow"], "hollow"),
    "a path that is not there": ([*VANILLA, "--config.data.dataset=./nothing.npz"], "there is no such file or folder"),
    "no name of data": ([*VANILLA, "--config.data.dataset="], "give the name of a data set or a path"),
    "more images of a class than there are": ([*VANILLA, "--config.data.per_class=9999"], "the smallest class"),
    "more validation than training": ([*VANILLA, "--config.data.valid_size=9999"], "below the 1438 training images"),
    "an image size of zero": ([*VANILLA, "--config.data.image_size=0"], "config.data.image_size=0 is too small"),
    "unknown statistics": ([*VANILLA, "--config.data.stats=imagnet"], "imagnet"),
    "fewer images than a batch": (small("--config.data.batch_size=128"), "is larger than the 80 training images"),
    # ------------------------------------------------------------ teachers and checkpoints
    "a teacher that is not there": (["main", "--config=configs/kd.py:teacher=./gone"], "there is no teacher at ./gone"),
    "no teacher": (small("--config.teacher.checkpoint="), "needs a teacher"),
    "a teacher of other classes": (small("--config.teacher.checkpoint=./hundred"), "has 100 classes but digits has 10"),
    "a teacher of another size": ([*KD, "--config.teacher.min_accuracy=0"], "(16, 16, 3)"),
    "a teacher of another name": (small("--config.teacher.name=resnet20"), "not the resnet20"),
    "a teacher that knows nothing": (small("--config.teacher.min_accuracy=99"), "below config.teacher.min_accuracy=99"),
    "a folder that is no network": (small("--config.teacher.checkpoint=./hollow"), "holds no network"),
    "a damaged teacher": (small("--config.teacher.checkpoint=./damaged"), "is damaged"),
    "a text file as a teacher": (small("--config.teacher.checkpoint=./notes.txt"), "notes.txt"),
    "a pickle that runs a command": (small("--config.teacher.checkpoint=./evil.pth"), "evil.pth"),
    "more names than teachers": (small("--config.teacher.name=a,b"), "2 names for 1 checkpoints"),
    "a student's checkpoint that is not there": (small("--config.student.checkpoint=./gone"), "gone does not exist"),
    "a student's checkpoint of another network": (small("--config.student.checkpoint=./hundred"), "config.student"),
    # ------------------------------------------------------------ folders and extras
    "a file as the run's folder": ([*VANILLA, "--workdir=notes.txt"], "cannot write in notes.txt"),
    "a run's folder below a file": ([*VANILLA, "--workdir=notes.txt/run"], "cannot write in notes.txt/run"),
    "a run's folder that cannot be made": ([*VANILLA, "--workdir=/proc/run"], "cannot write in /proc/run"),
    "a name longer than the disk takes": ([*VANILLA, f"--workdir={'x' * 300}"], "cannot write in xxx"),
    "a run of another config": ([*VANILLA, "--workdir=finished", "--config.seed=7"], "seed: 0 -> 7"),
    "no tensorboardX": (["-tensorboardX", *VANILLA], "or set --config.log.tensorboard=False"),
    "no matplotlib": (["-matplotlib", *VANILLA], "`pip install matplotlib`, or set --config.log.plots=False"),
    # ------------------------------------------------------------ the other programs
    "evaluate nothing": (["evaluate"], "the following arguments are required: checkpoint"),
    "evaluate what is not there": (["evaluate", "gone", "--dataset=digits"], "gone does not exist"),
    "evaluate on other classes": (["evaluate", "hundred", "--dataset=digits"], "has 100 classes but digits has 10"),
    "evaluate in empty batches": (["evaluate", "good", "--dataset=digits", "--batch_size=0"], "=0 is too small"),
    "evaluate in batches of x": (["evaluate", "good", "--batch_size=x"], "invalid int value: 'x'"),
    "fetch nothing": (["fetch"], "the following arguments are required: verb"),
    "fetch an unknown teacher": (["fetch", "teachers", "resnet57"], "'resnet57' is not one of the released teachers"),
    "fetch unknown data": (["fetch", "data", "cifar11"], "cifar11"),
    "convert nothing": (["convert"], "give one of SRC"),
    "convert what is not there": (["convert", "gone.pth"], "gone.pth"),
    "convert a text file": (["convert", "notes.txt"], "notes.txt"),
    "convert over something else": (["convert", "--to-torch", "good", "--out", "hollow"], "hollow is a folder"),
    "convert into torch without torch": (["-torch", "convert", "notes.txt"], "notes.txt"),
}

FILES = {
    "syntax.py": "def get_config(arg=None)\n", "empty.py": "x = 1\n",
    "raises.py": "def get_config(arg=None):\n    1 / 0\n",
    "exits.py": "import sys\nsys.exit(3)\n", "imports.py": "import no_such_module\n",
    "dict.py": "def get_config(arg=None):\n    return {'seed': 1}\n",
    "other.py": "from ml_collections import ConfigDict\ndef get_config(arg=None):\n    return ConfigDict({'lr': 1})\n",
    "surplus.py": "from kdjax.config import default\ndef get_config(arg=None):\n    config = default()\n"
                  "    config.train.epoch = 3\n    return config\n",
    "type.py": "from kdjax.config import default\ndef get_config(arg=None):\n    config = default()\n"
               "    config.train.epochs = 'x'\n    return config\n",
    "notes.txt": "not a network\n",
}


def make_files(folder: pathlib.Path) -> None:
    """The files that the table names; in a child, as networks start JAX."""
    for name, text in FILES.items():
        (folder / name).write_text(text)
    (folder / "binary.py").write_bytes(bytes(range(256)))
    (folder / "broken.npz").write_bytes(b"PK\x03\x04 and no more")
    (folder / "hollow" / "train").mkdir(parents=True)
    images, labels = np.zeros((4, 8, 8, 3), np.uint8), np.arange(4) % 2
    np.savez(folder / "other.npz", a=images)
    arrays = lambda x, y: dict(train_images=x, train_labels=y, test_images=x, test_labels=y)
    np.savez(folder / "labels.npz", **arrays(images, labels - 5))
    np.savez(folder / "none.npz", **arrays(images[:0], labels[:0]))
    (folder / "evil.pth").write_bytes(b"cos\nsystem\n(S'touch executed'\ntR.")
    make_networks(folder)
    (folder / "finished" / "checkpoints").mkdir(parents=True)
    from kdjax import main
    from kdjax.run import folder as run_folder
    from kdjax.run.resume import plain
    config = main.parse([VANILLA[1].replace("configs/", f"{ROOT}/configs/")])
    (folder / "finished" / ".lock").touch()
    run_folder.write_json(folder / "finished" / "config.json", {"config": plain(config)})


def make_networks(folder: pathlib.Path) -> None:
    """A teacher for 10 classes, one for 100, and a damaged one."""
    import jax

    from kdjax import models
    from kdjax.weights.folder import WEIGHTS, save_network
    for name, classes in (("good", 10), ("hundred", 100)):
        net = models.build("resnet8", num_classes=classes, image_size=16)
        save_network(folder / name, net, net.init(jax.random.key(0)), {})
    shutil.copytree(folder / "good", folder / "damaged")
    weights = folder / "damaged" / WEIGHTS
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)


def in_child(action) -> int:
    """The exit status of action() in a forked process."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        child = os.fork()
    if child == 0:
        os._exit(action() or 0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def program(words: list[str]):
    """What to call for ["-missing_module", ..., program, arguments ...]."""
    while words[0].startswith("-"):
        sys.modules[words.pop(0)[1:]] = None
    name, *arguments = words
    if name == "convert":
        import convert_torch_ckpt
        sys.argv = [name, *arguments]
        return convert_torch_ckpt.main
    import importlib
    module = importlib.import_module(f"kdjax.{name}")
    return lambda: module.main(arguments)


def attempt(words: list[str], folder: pathlib.Path, out: pathlib.Path) -> dict:
    """Status, seconds, words, and what a command line left behind in `folder`."""
    def child():
        from kdjax.config.command_line import guarded
        for number, name in ((1, "stdout"), (2, "stderr")):
            os.dup2(os.open(out / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        os.chdir(folder)
        try:
            status = guarded(program(list(words)))
        except SystemExit as leaving:
            status = leaving.code
        sys.stdout.flush(), sys.stderr.flush()
        return status

    before, began = listing(folder), time.monotonic()
    status = in_child(child)
    return {"status": status, "seconds": time.monotonic() - began, "stderr": (out / "stderr").read_text(),
            "left": sorted(listing(folder) - before)}


def listing(folder: pathlib.Path) -> set[str]:
    """Every path below a folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def main(folder: str) -> int:
    """Tries the whole table."""
    from tests.chaos import preload
    preload()
    files, out = pathlib.Path(folder) / "files", pathlib.Path(folder) / "out"
    files.mkdir(parents=True), out.mkdir()
    assert in_child(lambda: make_files(files)) == 0
    for name, (words, _) in CASES.items():
        print(json.dumps({"name": name, **attempt(words, files, out)}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
