"""Golden files of single functions, not of training: the tests that compare them, run on a given file.

The files of golden/ds_srd and golden/self_supervised that are no training steps. Tests find them by name in a folder,
which KDJAX_GOLDEN_PIECES moves.
"""
from __future__ import annotations

import ast
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
TESTS = {  # the tests that read a file by load("name") or golden("name")
    "ds_srd": ["parity_tests/test_ds_srd.py"],
    "self_supervised": ["tests/tasks/test_probes.py", "tests/tasks/test_crd_memory.py", "tests/losses/test_selfsup.py",
                        "tests/models/test_encoders.py", "tests/data/test_two_views.py", "tests/data/test_imix.py",
                        "tests/data/readers/test_table.py", "tests/data/readers/test_speech.py",
                        "tests/data/test_resized_crop.py", "tests/step/test_pretext_schedules.py"]}


def kind(golden: dict) -> str:
    """Which folder such a file belongs to: one of them marks what went in, or which momentum grows by a cosine."""
    own = "ema_cos" in golden["meta"] or any(key.startswith("in.") for key in golden)
    return "self_supervised" if own else "ds_srd"


def tests_of(folder: str, name: str) -> list[str]:
    """The pytest ids of the functions that read the golden file `name`, by themselves or through a function beside."""
    found = []
    for module in TESTS[folder]:
        tree = ast.parse((ROOT / module).read_text())
        functions = {node.name: ast.unparse(node) for node in tree.body if isinstance(node, ast.FunctionDef)}
        readers = [f for f, text in functions.items() if f"load('{name}')" in text or f"golden('{name}')" in text]
        through = [f for f, text in functions.items() if any(f"{reader}()" in text for reader in readers)
                   or any(f"({reader})" in text.splitlines()[0] for reader in readers)]
        found += [f"{module}::{f}" for f in {*readers, *through} if f.startswith("test_")]
    return sorted(found)


def check(path: pathlib.Path, golden: dict) -> tuple[bool, str]:
    """(whether all tests of the file pass, what to say). KeyError for a file that no test reads."""
    tests = tests_of(kind(golden), path.stem)
    if not tests:
        raise KeyError(path.stem)
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-rN", "--tb=line", *tests], cwd=ROOT, text=True,
                          capture_output=True, check=False,
                          env={**os.environ, "KDJAX_GOLDEN_PIECES": str(path.resolve().parent)})
    last = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else done.stderr[-200:]
    return done.returncode == 0 and "skipped" not in last, f"{last} (limits: the file's README)"
