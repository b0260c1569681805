"""Teachers once: fetched, converted or trained by one job each, which the runs that learn from them wait for."""
from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from kdjax.errors import UserError
from kdjax.files.download import digest
from kdjax.methods import chosen, find
from kdjax.run import result
from kdjax.sweeps import jobs
from kdjax.sweeps.jobs import Job
from kdjax.sweeps.spec import Spec
from kdjax.tables import naming
from kdjax.tasks import TAUGHT
from kdjax.weights.folder import DESCRIPTION

APART = ("teacher.", "loss.", "method.", "train.epochs", "train.steps", "train.init", "student.", "experiment.")


class Teachers:
    """The teachers of a sweep in `folder`; `jobs` must run first. released: names that can be fetched."""

    def __init__(self, spec: Spec, folder: Path, released: Collection[str]):
        self.spec, self.folder, self.released, self.jobs = spec, folder, released, {}

    def prepare(self, arguments: list[str], config) -> list[Job]:
        """The jobs that make the run's teachers; changes `arguments` and `config` to use what they make."""
        if config.experiment.compare:
            self.point(arguments, config, "experiment.compare", False)
        if config.program not in TAUGHT or not any(find(method).needs_teacher for method in chosen(config)):
            return []
        if config.teacher.train_epochs and not config.teacher.checkpoint:
            return [self.trained(arguments, config, config.teacher.name, config.teacher.train_epochs)]
        paths, names = config.teacher.checkpoint.split(","), config.teacher.name.split(",")
        names = names if len(names) == len(paths) else names * len(paths)
        made = [self.one(path, name, config) for path, name in zip(paths, names) if path]
        if any(job for job, _ in made):
            self.point(arguments, config, "teacher.checkpoint", ",".join(path for _, path in made))
        return [job for job, _ in made if job]

    def point(self, arguments: list[str], config, field: str, value) -> None:
        """Sets a field in both."""
        arguments.append(f"--config.{field}={value}")
        group, _, last = field.partition(".")
        config[group][last] = value

    def one(self, path: str, name: str, config) -> tuple[Job | None, str]:
        """(what makes a teacher or None, where it is then): a folder stays, a file is converted, a name is fetched."""
        if (Path(path) / DESCRIPTION).is_file() or (Path(path) / "student" / DESCRIPTION).is_file():
            return None, path
        if Path(path).is_file():
            return self.converted(path, name)
        if path == f"teachers/{name}" and name in self.released and config.data.dataset == "cifar100":
            command = ["-m", "kdjax.fetch", "teachers", name, "--no-check"]
            return self.add(Job(f"fetch {name}", Path(path), command, (Path(path) / DESCRIPTION).is_file)), path
        if self.spec.train_teachers and name:
            arguments = ["--config", "", *jobs.settings(self.spec.fields)]
            job = self.trained(arguments, config, name, config.train.epochs)
            return job, str(job.folder / "student")
        return None, path  # the run says what is missing

    def converted(self, path: str, name: str) -> tuple[Job, str]:
        """A torch file as a folder of the sweep's own."""
        out = self.folder / "teachers" / jobs.safe(f"{jobs.short(path)}-{digest(path)[:8]}")
        command = ["-m", "kdjax.convert", path, "--out", str(out)]
        command += ["--model", name] if name else []
        return self.add(Job(f"convert {out.name}", out, command, (out / DESCRIPTION).is_file)), str(out)

    def trained(self, arguments: list[str], config, name: str, epochs: int) -> Job:
        """A teacher trained by configs/vanilla.py under the sweep's own settings, its milestones at the same fractions.

        The first seed's, for all seeds: the spread of a cell is the student's.
        """
        dataset = config.data.dataset
        words = [f"model={name}", f"dataset={dataset}", f"seed={self.spec.seeds[0]}"]
        spec = f"configs/vanilla.py:{','.join([*words, *(['demo'] if self.spec.demo else [])])}"
        shared = {k: v for k, v in self.spec.fields.items() if not k.startswith(APART)}
        if epochs != config.train.epochs:
            shared.pop("optim.schedule.milestones", None)  # meant for the students' length
        shared |= {"train.epochs": epochs, "optim.schedule.scale": True}
        job = run_job(self.folder / "teachers", f"{name}-{jobs.safe(naming.dataset(dataset))}",
                      ["--config", spec, *jobs.settings(shared)], {"method": "vanilla", "student": name})
        job = self.add(job)
        if arguments[1]:
            self.point(arguments, config, "teacher.train_epochs", 0)
            self.point(arguments, config, "teacher.checkpoint", str(job.folder / "student"))
        return job

    def add(self, job: Job) -> Job:
        """The one job of this folder."""
        return self.jobs.setdefault(str(job.folder), job)


def run_job(root: Path, name: str, arguments: list[str], about: dict, config=None) -> Job:
    """A run of kdjax.main in root/name."""
    folder = root / name
    config = jobs.load(arguments) if config is None else config
    config.experiment.workdir = str(folder)
    return Job(name, folder, ["-m", "kdjax.main", *arguments, "--workdir", str(folder)],
               lambda: finished(config, folder), about, config=config)


def finished(config, folder: Path) -> bool:
    """Whether the run has nothing left to do; one that its config no longer describes is not finished."""
    try:
        return result.finished(config, folder) is not None
    except UserError:
        return False
