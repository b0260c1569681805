"""result.json, and the closing table."""
from __future__ import annotations

from pathlib import Path

from kdjax.run.chance import hint
from kdjax.run.folder import read_json
from kdjax.run.names import title
from kdjax.run.resume import check_resume
from kdjax.run.text import clock, table, tells_top5

OURS = ("test", "train")  # what an epoch's record has under other names here, or does not measure


def no_history() -> dict:
    """What a run remembers of itself, kept in every checkpoint."""
    return {"epochs": {}, "skipped": 0, "seconds": 0.0, "images": 0, "speed_seconds": 0.0, "last": None, "best": None,
            "teacher": None}


def scores(row: dict) -> dict:
    """An epoch's record as a result's entry."""
    out = {"epoch": row["epoch"], "top1": row["test_top1"], "top5": row["test_top5"], "loss": row["test_loss"]}
    return out | {k: v for k, v in row.items() if k.endswith(("_top1", "_top5")) and k.split("_")[0] not in OURS}


def result(config, history: dict, student: str, teacher: str) -> dict:
    """The contents of result.json. The headline is the last epoch's; best is chosen on the test set and named so."""
    seconds = history["speed_seconds"]
    return {"program": config.program, "method": title(config), "student": student, "teacher": teacher,
            "dataset": config.data.dataset, "seed": config.seed, "epochs": config.train.epochs,
            "steps": config.train.steps,
            "last": scores(history["last"]), "best": scores(history["best"]), "teacher_accuracy": history["teacher"],
            "skipped_steps": history["skipped"], "wall_clock_seconds": round(history["seconds"], 3),
            "images_per_second": round(history["images"] / seconds, 1) if seconds else None}


def summary(done: dict) -> str:
    """The closing table."""
    rows = [["network", "role", "top-1 last", "top-1 best", "top-5 last"]]
    if done["teacher_accuracy"]:
        t = done["teacher_accuracy"]
        rows.append([done["teacher"], "teacher", f"{t['top1']:.2f}", "", f"{t['top5']:.2f}"])
    for entry, role in [(done, f"student, {learned(done)}"), (done.get("alone"), "student alone")]:
        if entry:
            rows.append([done["student"], role, f"{entry['last']['top1']:.2f}", f"{entry['best']['top1']:.2f}",
                         f"{entry['last']['top5']:.2f}"])
    if not tells_top5(done.get("classes", 6)):
        rows = [row[:-1] for row in rows]
    linear = done["last"].get("linear_top1")
    text = table(rows)
    if linear is not None:
        text += f"\nlinear probe of its features: top-1 {linear:.2f}; above: their nearest neighbours"
    speed = f", {done['images_per_second']:.0f} images/s" if done["images_per_second"] else ""
    text += f"\n{clock(done['wall_clock_seconds'])} of training and evaluation{speed}, seed {done['seed']}"
    if done.get("alone"):
        text += f"\ndistillation gained {done['last']['top1'] - done['alone']['last']['top1']:+.2f} points (last epoch)"
    said = hint(done["last"]["top1"], done.get("classes", 0), done["last"].get("epoch", 0))
    return f"{text}\n{said}" if said else text


def learned(done: dict) -> str:
    """How the student was taught, in a word or two."""
    program = done.get("program", "distil")
    return "+".join([*([program] if program != "distil" else []),
                     *(m for m in done["method"] if m != "vanilla" or program == "distil")])


def finished(config, folder: Path) -> dict | None:
    """The result of a run that has nothing left to do."""
    done = read_json(folder / "result.json")
    if done is None:
        return None
    same = done.get("epochs") == config.train.epochs and done.get("steps") == config.train.steps
    check_resume(config, folder, strictly=same)
    return done if same and (not config.experiment.compare or done.get("alone")) else None
