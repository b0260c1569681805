"""curves.png: a run's losses and accuracies by epoch, beside its teacher and the student alone."""
from __future__ import annotations

import json
from pathlib import Path

ACCURACIES = {"train_top1": ("train", ":"), "valid_top1": ("validation", "--"), "test_top1": ("test", "-")}
NOT_TERMS = ("train_top1", "train_gradient_norm")


def draw(folder: Path, done: dict) -> None:
    """Draws metrics.jsonl in a run's folder. done: the contents of its result.json. Nothing where no epoch is there."""
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    rows = [row for row in map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
            if row["kind"] == "epoch" and row["stage"] == "main"]
    if not rows:
        return
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2))
    terms(left, rows)
    accuracies(right, rows)
    references(right, done)
    right.legend(fontsize="small")
    figure.suptitle(title(done))
    figure.tight_layout()
    figure.savefig(folder / "curves.png", dpi=120)
    plt.close(figure)


def terms(axes, rows: list[dict]) -> None:
    """The loss terms times their weights, and the sum; of a run whose records lack those, the terms as they are."""
    prefix = "train_weighted_" if any(key.startswith("train_weighted_") for key in rows[-1]) else "train_"
    names = [key for key in rows[-1] if key.startswith(prefix) and key not in (*NOT_TERMS, "train_total")]
    for name in names:
        axes.plot(*points(rows, name), label=name.removeprefix(prefix), marker=dot(rows))
    axes.plot(*points(rows, "train_total"), label="weighted sum", marker=dot(rows), color="black")
    if all(value > 0 for name in [*names, "train_total"] for value in points(rows, name)[1]):
        axes.set_yscale("log")
    axes.set(xlabel="epoch", title="training loss terms, " + ("weighted" if prefix != "train_" else "before weighting"))
    axes.legend(fontsize="small")


def accuracies(axes, rows: list[dict]) -> None:
    """Top-1 of the training views, the validation and the test images."""
    for name, (label, style) in ACCURACIES.items():
        if any(row.get(name) is not None for row in rows):
            axes.plot(*points(rows, name), style, label=label, color="tab:blue", marker=dot(rows))
    axes.set(xlabel="epoch", title="top-1 accuracy, %")


def references(axes, done: dict) -> None:
    """Level lines: the teacher, and the same student without one."""
    teacher, alone = done.get("teacher_accuracy"), done.get("alone")
    if teacher:
        axes.axhline(teacher["top1"], color="tab:green", linestyle="-.", label=f"teacher {teacher['top1']:.2f}")
    if alone:
        axes.axhline(alone["last"]["top1"], color="tab:red", linestyle="--",
                     label=f"student alone {alone['last']['top1']:.2f}")


def title(done: dict) -> str:
    """`resnet8 by itrd from resnet14 on digits, seed 0: 93.31 (+1.39)`."""
    taught = f" by {'+'.join(done['method'])}" + (f" from {done['teacher']}" if done.get("teacher") else "")
    gain = f" ({done['gain']:+.2f})" if done.get("gain") is not None else ""
    return f"{done['student']}{taught} on {done['dataset']}, seed {done['seed']}: {done['last']['top1']:.2f}{gain}"


def points(rows: list[dict], name: str) -> tuple[list, list]:
    """(epochs, values) of the rows that have a value; an evaluation may be due in some epochs only."""
    there = [(row["epoch"], row[name]) for row in rows if row.get(name) is not None]
    return [epoch for epoch, _ in there], [value for _, value in there]


def dot(rows: list[dict]) -> str | None:
    """A mark for runs so short that a line alone would not be seen."""
    return "." if len(rows) < 20 else None
