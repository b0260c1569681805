"""The house: who may import whom, no circles, and a map (docs/architecture.md) that shows what is there."""
import ast
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "kdjax"
EVERYONE = {"errors", "config", "files"}
MAY = {  # room -> rooms that it may import, besides itself and EVERYONE
    "errors": set(), "files": set(), "config": set(),
    "losses": set(), "models": {"losses"},
    "methods": {"losses", "models"},
    "step": {"losses", "models", "methods"},
    "data": set(),
    "tasks": {"losses", "models", "methods", "step", "data"},
    "weights": {"models"},
    "io": {"weights"},
    "device": set(),
    "run": {"losses", "models", "methods", "step", "tasks", "data", "weights", "device"},
    "sweeps": {"run", "data", "weights", "models", "methods", "step", "tasks", "device", "tables"},
    "tables": {"run", "data", "weights", "models", "methods", "step", "tasks", "device"},
}
ALIASES = {("models", "weights")}  # models.load, looked up by name when it is first asked for


def modules() -> dict[str, pathlib.Path]:
    return {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
            for path in PACKAGE.rglob("*.py")}


def imported(name: str, path: pathlib.Path, known) -> set[str]:
    """The modules of kdjax that a module imports, anywhere in it, functions included."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} has a relative import"
            found |= {f"{node.module}.{alias.name}" if f"{node.module}.{alias.name}" in known else node.module
                      for alias in node.names}
    return {module for module in found if module in known} - {name}


def room(module: str) -> str:
    """The room of a module; "" for a command and for kdjax itself."""
    parts = module.split(".")
    return parts[1] if len(parts) > 2 or (len(parts) == 2 and parts[1] in MAY) else ""


GRAPH = {name: imported(name, path, modules()) for name, path in modules().items()}


@pytest.mark.parametrize("name", sorted(MAY))
def test_a_room_imports_only_what_lies_below_it(name):
    for module, needs in GRAPH.items():
        if room(module) == name:
            rooms = {room(other) for other in needs} - {name} - EVERYONE
            surplus = rooms - MAY[name] - {b for a, b in ALIASES if a == name}
            assert not surplus, f"{module} imports {surplus}"


def test_every_room_is_in_the_table_and_says_what_it_knows():
    rooms = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()}
    assert rooms <= MAY.keys()
    for name in rooms:
        assert ast.get_docstring(ast.parse((PACKAGE / name / "__init__.py").read_text())), name


def test_no_modules_import_each_other_in_a_circle():
    state: dict[str, int] = {}

    def visit(module, trail):
        if state.get(module) == 1:
            raise AssertionError(" -> ".join([*trail[trail.index(module):], module]))
        if module not in state:
            state[module] = 1
            for other in GRAPH[module]:
                if not module.startswith(other + "."):  # a package's own __init__ is loaded before its parts
                    visit(other, [*trail, module])
            state[module] = 2
    for module in GRAPH:
        visit(module, [])


def test_the_root_holds_commands_and_nothing_else():
    for path in PACKAGE.glob("*.py"):
        if path.name not in ("__init__.py", "errors.py", "__main__.py"):
            assert "def main(" in path.read_text(), f"{path.name} is no command"
            assert len(path.read_text().splitlines()) <= 90, f"{path.name} is more than a face"


def test_the_map_shows_the_tree():
    text = (ROOT / "docs" / "architecture.md").read_text()
    shown = set(re.findall(r"`(\w+)/`", text))
    assert shown == {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()} | {
        "configs", "parity_tests", "tests", "benchmarks", "docs"}
    for command in PACKAGE.glob("*.py"):
        if command.name not in ("__init__.py", "__main__.py"):
            assert f"`{command.name}`" in text, command.name


def test_importing_starts_no_device():
    """Signals are heard and options set before JAX starts, and the tests' runs are forked from one that has not."""
    code = ("import kdjax.run.run, kdjax.main, kdjax.tasks; from jax._src import xla_bridge; "
            "assert not xla_bridge._backends")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
