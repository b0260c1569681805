"""`python -m kdjax.main --list`: methods, networks, data sets and configs, as tables."""
from __future__ import annotations

import ast
from pathlib import Path

from kdjax.config.file import shipped
from kdjax.data import source
from kdjax.methods import ALIASES, METHODS
from kdjax.models import MODELS
from kdjax.run.text import table


def method_rows() -> list[list[str]]:
    """One row a method: what it is, what it taps, what it keeps."""
    also = {name: ", ".join(a for a, n in ALIASES.items() if n == name) for name in METHODS}
    rows = [["method", "alias", "paper", "year", "taps", "memory", "stages"]]
    return rows + [[n, also[n], m.paper or "-", str(m.year or "-"), m.taps, "yes" if m.has_memory else "-",
                    str(m.num_stages)] for n, m in METHODS.items()]


def config_rows(paths: list[Path]) -> list[list[str]]:
    """One row a config file: its name and the first line of its docstring."""
    rows = [["config", "what"]]
    for path in paths:
        text = ast.get_docstring(ast.parse(path.read_text())) or ""
        rows.append([f"{path.parent.name}/{path.name}", text.partition("\n")[0]])
    return rows


def data_rows() -> list[list[str]]:
    """The data sets that have a name of their own."""
    return [["data set", "classes", "where from"],
            ["digits", "10", "scikit-learn's, 32x32, embedded"],
            *[[n, str(c), "prepared TFDS folder or official archive in data.dir, or data.download=True"]
              for n, c in source.KNOWN_CLASSES.items() if n != "digits"],
            ["any TFDS name", "", "a prepared image-classification folder in data.dir"],
            ["a path", "", ".npz, or a folder of images by class"]]


def tables() -> str:
    """All four tables."""
    names = list(MODELS)
    lines = [", ".join(names[i:i + 8]) for i in range(0, len(names), 8)]
    networks = "\n".join(["networks (docs/models.md has sizes)", "--------", *lines,
                          "resnetD, resnetDx2, resnetDx4, resnetDa, wrn_D_W of any depth; package.module:Class"])
    return "\n\n".join([table(method_rows()), networks, table(data_rows()), table(config_rows(shipped()))])
