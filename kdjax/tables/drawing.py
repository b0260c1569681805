"""What all figures share: matplotlib without a screen, colours that colour-blind readers can tell apart, saving."""
from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Okabe and Ito's palette without its yellow, which vanishes on white; lines and marks tell the rest apart.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
MARKS, DASHES = "osD^vPX", ("-", "--", "-.", ":")
STYLE = {"font.size": 10, "axes.titlesize": 10.5, "axes.grid": True, "grid.alpha": 0.3,
         "axes.spines.top": False, "axes.spines.right": False,
         "svg.hashsalt": "kdjax", "figure.constrained_layout.h_pad": 0.1, "figure.dpi": 110, "legend.frameon": False}


def look(number: int) -> dict:
    """Colour, dash and mark of the number-th series; 28 combinations before any repeats."""
    turn = number // len(COLOURS)
    return {"color": COLOURS[number % len(COLOURS)], "linestyle": DASHES[turn % len(DASHES)],
            "marker": MARKS[(number + turn) % len(MARKS)]}


@contextmanager
def canvas(rows: int, columns: int, size: tuple[float, float]) -> Iterator[tuple]:
    """(figure, flat list of axes) in the house style; closed after the body. size: inches."""
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
        try:
            yield figure, list(axes.flat)
        finally:
            plt.close(figure)


def svg(figure) -> bytes:
    """The figure as SVG, the same bytes for the same figure."""
    out = io.BytesIO()
    figure.savefig(out, format="svg", metadata={"Date": None})
    return out.getvalue()


def save(figure, path: Path, dpi: int = 300) -> list[Path]:
    """PATH.png and PATH.pdf; returns both."""
    path.parent.mkdir(parents=True, exist_ok=True)
    made = [path.with_name(f"{path.name}.{ending}") for ending in ("png", "pdf")]
    for file in made:
        figure.savefig(file, dpi=dpi)
    return made
