"""The notebook's cells and the API page's examples run as written."""
import json
import os
import pathlib
import pkgutil
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT)}


NOTEBOOKS = pytest.mark.parametrize("path", sorted((ROOT / "docs" / "notebooks").glob("*.ipynb")),
                                    ids=lambda path: path.stem)


@NOTEBOOKS
def test_a_notebook_shows_what_its_cells_printed(path):
    cells = [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    printed = ["print(" in "".join(cell["source"]) for cell in cells]
    assert [bool(cell["outputs"]) for cell in cells] == printed


@pytest.mark.slow
@NOTEBOOKS
def test_a_notebook_runs_from_top_to_bottom(path, tmp_path):
    command = [sys.executable, ROOT / "docs" / "notebook.py", path, "--check"]
    done = subprocess.run(command, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_the_data_example_of_the_page_trains(tmp_path):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "api.md").read_text(), re.S)
    block = next(block for block in blocks if "kdjax.dataset(" in block)
    done = subprocess.run([sys.executable, "-c", block], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True,
                          timeout=300)
    assert done.returncode == 0, done.stderr
    assert "wrn_10_1" in done.stdout and (tmp_path / "runs" / "stripes" / "result.json").is_file()


def test_every_name_of_the_page_exists():
    page = (ROOT / "docs" / "api.md").read_text()
    names = set(re.findall(r"`(kdjax\.(?:\w+\.)*\w+)", page))
    assert len(names) > 8
    for name in names:
        assert pkgutil.resolve_name(name), name
