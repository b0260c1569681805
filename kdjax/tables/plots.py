"""The report's figures: accuracy by epoch, gain over the student alone, accuracy against cost."""
from __future__ import annotations

import numpy as np

from kdjax.tables import drawing
from kdjax.tables.cells import Cell
from kdjax.tables.layout import heading
from kdjax.tables.report import Report

WIDE, LINE, MOST = 2, 0.3, 12  # panels a row; inches a line of a dot plot; panels of curves at most


def figures(report: Report) -> dict[str, bytes]:
    """{title: SVG}, of the figures for which the runs have the numbers."""
    made = {"Accuracy by epoch": curves(report), "Gain over the student alone": gains(report),
            "Accuracy against cost": costs(report)}
    return {title: image for title, image in made.items() if image}


def series(report: Report) -> dict[str, dict]:
    """The look of every method's row, the same in all figures."""
    return {label: drawing.look(number) for number, label in enumerate(report.rows)}


def members(report: Report, column: tuple) -> list[Cell]:
    """The cells of a column."""
    return [cell for label in report.rows if (cell := report.at(label, column))]


def band(cell: Cell) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(epochs, mean, sd) of the test accuracy over the runs, at the epochs that all of them have."""
    shared = sorted(set.intersection(*(set(dict(run.curve)) for run in cell.runs)))
    values = np.array([[dict(run.curve)[epoch] for epoch in shared] for run in cell.runs], np.float64)
    sd = values.std(axis=0, ddof=1) if len(values) > 1 else np.zeros(len(shared))
    return np.array(shared), values.mean(axis=0), sd


def panels(count: int, height: float = 3.3):
    """A canvas of `count` panels, two in a row, of so many inches each."""
    wide, high = min(WIDE, count), -(-count // WIDE)
    return drawing.canvas(high, wide, (5.2 * max(wide, 1.4), height * high + 0.6))


def curves(report: Report) -> bytes | None:
    """One panel a pair: mean test accuracy of each method by epoch, a band of one standard deviation."""
    columns = [c for c in report.columns if any(len(band(cell)[0]) > 1 for cell in members(report, c))][:MOST]
    if not columns:
        return None
    looks = series(report)
    with panels(len(columns)) as (fig, axes):
        for column, ax in zip(columns, axes):
            for cell in members(report, column):
                epochs, mean, sd = band(cell)
                look = looks[cell.label]
                every = max(1, len(epochs) // 8)
                ax.plot(epochs, mean, label=cell.label, markevery=every, markersize=4, linewidth=1.6, **look)
                ax.fill_between(epochs, mean - sd, mean + sd, color=look["color"], alpha=0.18, linewidth=0)
            ax.set(title=heading(column), xlabel="epoch", ylabel="test top-1, %")
            leave_out_the_climb(ax, [band(cell)[1] for cell in members(report, column)])
            ax.xaxis.get_major_locator().set_params(integer=True)
        finish(fig, axes, len(columns))
        return drawing.svg(fig)


def leave_out_the_climb(ax, means: list[np.ndarray]) -> None:
    """Starts the axis where the first quarter of a longer training ends, so that the methods can be told apart."""
    starts = [mean[len(mean) // 4] for mean in means if len(mean) >= 8]
    if starts:
        top = max(mean.max() for mean in means if len(mean))
        ax.set_ylim(min(starts) - 0.05 * (top - min(starts)), top + 0.08 * (top - min(starts)) + 0.1)


def finish(figure, axes: list, used: int) -> None:
    """One legend under all panels; the panels that are left over vanish."""
    for ax in axes[used:]:
        ax.set_visible(False)
    entries = {}
    for ax in axes[:used]:
        entries |= dict(zip(*reversed(ax.get_legend_handles_labels())))
    if entries:
        figure.legend(entries.values(), entries.keys(), loc="outside lower center", ncols=min(5, len(entries)))


def gains(report: Report) -> bytes | None:
    """One panel a pair: a dot and its 95% interval for the points a method gained over the same student alone."""
    columns = [c for c in report.columns if any(cell.gain for cell in members(report, c))][:MOST]
    if not columns:
        return None
    looks = series(report)
    most = max(len([cell for cell in members(report, column) if cell.gain]) for column in columns)
    with panels(len(columns), 1.1 + LINE * most) as (fig, axes):
        for column, ax in zip(columns, axes):
            found = [cell for cell in members(report, column) if cell.gain]
            for place, cell in enumerate(found):
                dot(ax, place, cell, looks[cell.label])
            ax.axvline(0, color="#444444", linewidth=1)
            ax.set(title=heading(column), xlabel="points over the student alone", ylim=(len(found) - 0.5, -0.5))
            ax.set_yticks(range(len(found)), [cell.label for cell in found])
        finish(fig, axes, len(columns))
        return drawing.svg(fig)


def dot(ax, place: int, cell: Cell, look: dict) -> None:
    """A gain and its interval on one line."""
    if cell.gain.low is not None:
        ax.plot([cell.gain.low, cell.gain.high], [place, place], color=look["color"], linewidth=2)
    ax.plot(cell.gain.value, place, color=look["color"], marker=look["marker"], markersize=7)


def costs(report: Report) -> bytes | None:
    """Accuracy against the minutes of one run, one panel a pair."""
    cost = lambda c: c.mean(lambda r: r.seconds)
    columns = [column for column in report.columns if len([c for c in members(report, column) if cost(c)]) > 1][:MOST]
    if not columns:
        return None
    looks = series(report)
    with panels(len(columns)) as (fig, axes):
        for column, ax in zip(columns, axes):
            for cell in [c for c in members(report, column) if cost(c)]:
                look = {k: v for k, v in looks[cell.label].items() if k != "linestyle"}
                ax.errorbar(cost(cell) / 60, cell.last.mean, yerr=cell.last.sd or 0, label=cell.label, markersize=7,
                            capsize=3, linestyle="none", **look)
            ax.margins(0.15)
            ax.set(title=heading(column), xlabel="minutes a run", ylabel="test top-1, % (± sd)")
        finish(fig, axes, len(columns))
        return drawing.svg(fig)
