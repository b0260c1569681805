"""The README's examples run as written."""
import pathlib
import re
import sys

import pytest

from kdjax import main
from kdjax.run import run as train

README = (pathlib.Path(__file__).resolve().parents[1] / "README.md").read_text()
FAST = [f"--config.{change}" for change in (
    "data.per_class=20", "data.batch_size=32", "train.epochs=2", "teacher.name=wrn_10_1", "teacher.train_epochs=1",
    "teacher.min_accuracy=0", "experiment.compare=False", "log.tensorboard=False", "log.plots=False")]


def example(name: str) -> tuple[str, list[str]]:
    """The python block that is saved as `name`, and the arguments of the command after it."""
    code = re.search(rf"`{name}`:\n\n```python\n(.*?)```", README, re.S)[1]
    command = README[README.index(code):].split("```sh\n")[1].split("```")[0].strip()
    assert command.startswith("kdjax train ")
    return code, command.split()[2:]


@pytest.mark.parametrize("name", ["my_methods.py", "my_nets.py"])
def test_the_example_trains(name, tmp_path, monkeypatch):
    code, arguments = example(name)
    (tmp_path / name).write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    config = main.parse([*arguments, *FAST, f"--workdir={tmp_path / 'run'}"])
    result = train.run(config)
    assert result["epochs"] == 2 and 0 <= result["last"]["top1"] <= 100
    sys.modules.pop(name.removesuffix(".py"), None)


def test_the_method_example_has_about_thirty_lines():
    assert 15 <= len(example("my_methods.py")[0].splitlines()) <= 35


def test_every_command_and_page_that_the_readme_names_exists():
    root = pathlib.Path(__file__).resolve().parents[1]
    for path in {*re.findall(r"\]\(([\w/]+\.md)\)", README), *re.findall(r"configs/\w+\.py", README)}:
        assert (root / path).exists(), path
    for target in re.findall(r"^make (\w+)", README, re.M):
        assert f"\n{target}:" in (root / "Makefile").read_text()


def test_the_parity_table_is_the_reports():
    """Every row of figures in the README is a row of the report that `python -m parity_tests` wrote."""
    report = (pathlib.Path(__file__).resolve().parents[1] / "parity_tests" / "REPORT.md").read_text().splitlines()
    section = README[README.index("## Parity"):README.index("## Devices")]
    rows = [line for line in section.splitlines() if line.startswith("| ")]
    assert len(rows) > 25 and not set(rows) - set(report)
