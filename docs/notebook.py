"""Executes the code cells of a notebook in this process and writes what they print under them; needs no Jupyter.

    python docs/notebook.py docs/notebooks/first_steps.ipynb           executes and writes
    python docs/notebook.py docs/notebooks/first_steps.ipynb --check   executes only
"""
import contextlib
import io
import json
import pathlib
import sys


def execute(cells: list[dict], namespace: dict) -> None:
    """Runs the code cells in order, as a kernel would: one namespace, the module `__main__`."""
    number = 0
    for cell in cells:
        if cell["cell_type"] == "code":
            number += 1
            said, text = io.StringIO(), "".join(cell["source"])
            with contextlib.redirect_stdout(said):
                exec(compile(text, f"cell {number}", "exec"), namespace)  # noqa: S102
            lines = said.getvalue().splitlines(keepends=True)
            cell["execution_count"] = number
            cell["outputs"] = [{"name": "stdout", "output_type": "stream", "text": lines}] if lines else []


def main(path: str, *options: str) -> int:
    notebook = json.loads(pathlib.Path(path).read_text())
    execute(notebook["cells"], sys.modules["__main__"].__dict__)
    if "--check" not in options:
        pathlib.Path(path).write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
