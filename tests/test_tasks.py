"""docs/tasks.md from start to end, in an empty folder, as it stands but for fewer epochs, images and seeds."""
import os
import pathlib
import re
import subprocess
import sys

import pytest

PAGE = pathlib.Path(__file__).resolve().parents[1] / "docs" / "tasks.md"
FEWER = "--config.train.epochs=1 --config.data.per_class=32 --config.teacher.min_accuracy=0"
SMALL = {"--seeds 0,1,2": "--seeds 0", "--methods vanilla,kd,crd,angles.py": "--methods kd,angles.py",
         "--methods vanilla,kd,ickd": "--methods ickd",
         "--config.train.epochs=10 --config.optim.schedule.scale=True": ""}
SECTIONS = dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", PAGE.read_text(), re.M | re.S))
CHAINS = {"own images, then served": ("Own images in a folder", "Serve the student"),
          "a new loss": ("A new loss against KD and CRD, over three seeds",), "a row": ("A row of the ICKD table",),
          "eight devices": ("Eight devices, SLURM, TPU",)}


def blocks(section: str) -> list[tuple[str, str]]:
    """(language, text) of a section's fenced blocks, in order."""
    return re.findall(r"```(\w+)\n(.*?)```", SECTIONS[section], re.S)


def smaller(line: str) -> str:
    """A command that takes seconds."""
    for long, short in SMALL.items():
        line = line.replace(long, short)
    own = f"{FEWER} --config.data.cache_dir=cache"  # nothing in the user's cache
    return f"{line} {own}" if re.search(r"kdjax (train|sweep)", line) else line


def paste(language: str, text: str, folder: pathlib.Path) -> str:
    """Does what a reader does with a block; returns what is printed."""
    named = re.match(r"# (\w+\.py)\n", text)
    if named:
        (folder / named[1]).write_text(text)
        return ""
    bin_, env = pathlib.Path(sys.executable).parent, {k: v for k, v in os.environ.items() if k != "XLA_FLAGS"}
    program = [sys.executable, "-c", text] if language == "python" else ["bash", "-ec", "\n".join(
        smaller(line) for line in text.splitlines())]
    done = subprocess.run(program, cwd=folder, capture_output=True, text=True, check=False,
                          env={**env, "PATH": f"{bin_}:{env['PATH']}", "MPLBACKEND": "agg"})
    assert done.returncode == 0, f"{text}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("chain", CHAINS)
def test_a_task_can_be_pasted(chain, tmp_path):
    said = "".join(paste(*block, tmp_path) for section in CHAINS[chain] for block in blocks(section))
    if chain == "own images, then served":
        assert re.search(r"it is a (zero|one|two|three|four|five|six|seven|eight|nine)$", said.strip())
    if chain == "a new loss":
        assert "Angles" in said and (tmp_path / "runs/angles/report.html").is_file()
    if chain == "a row":
        assert "toprule" in (tmp_path / "runs/ickd/table.tex").read_text()
    if chain == "eight devices":
        assert "on 8 x cpu" in said


def test_every_section_is_pasted_by_some_test():
    assert {name for names in CHAINS.values() for name in names} == set(SECTIONS)
