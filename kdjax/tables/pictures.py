"""The figures of kdjax.plot: from checkpoints to files, with the numbers that go with them on stdout as JSON."""
from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np

from kdjax import weights
from kdjax.config import default
from kdjax.data import source
from kdjax.run.accuracy import check_classes
from kdjax.run.analysis import class_logits, correlation_difference
from kdjax.tables import drawing, forward, logit_figures

FEW = 20  # classes of the second t-SNE


def load(args):
    """The data set of the command line."""
    fields = default().data
    fields.update({"dataset": args.dataset, "dir": args.data_dir, "stats": args.stats, "allow_empty_classes": True})
    return source.load(fields, seed=0)


def outputs(path: str, args, data, feature: str = "logits") -> tuple[str, np.ndarray]:
    """(the checkpoint's name for titles and files, its outputs on the test images)."""
    net, variables = weights.load(path, name=args.model)
    check_classes(net, data.num_classes, data.name)
    kind = Path(path).name if Path(path).is_dir() else Path(path).parent.name
    name = kind if kind not in ("student", "") else Path(path).resolve().parent.name
    return name, forward.outputs(net, variables, data.test.images, data.mean, data.std, feature)


def correlation(args, data) -> None:
    """One heat map a student."""
    matrix = lambda logits: class_logits(logits, data.test.labels, data.num_classes, standardize=not args.raw)
    teacher, theirs = outputs(args.teacher, args, data)
    for path in args.checkpoints:
        student, logits = outputs(path, args, data)
        difference = correlation_difference(matrix(logits), matrix(theirs))
        with logit_figures.heat_map(difference, f"{student} beside {teacher}") as figure:
            files = drawing.save(figure, args.out / safe(f"correlation_{student}_{teacher}"))
        row, column = np.unravel_index(difference.argmax(), difference.shape)
        print(json.dumps({"student": student, "teacher": teacher, "max": float(difference.max()),
                          "argmax": [int(row), int(column)], "mean": float(difference.mean()),
                          "files": list(map(str, files))}))


def tsne(args, data) -> None:
    """Two scatter plots a network: all classes, and a fresh t-SNE of the first 20."""
    for path in args.checkpoints:
        name, features = outputs(path, args, data, args.features)
        for few in (False, True) if data.num_classes > FEW else (False,):
            rows = data.test.labels < FEW if few else slice(None)
            points, labels = logit_figures.embed(features[rows], args.seed), data.test.labels[rows]
            with logit_figures.scatter(points, labels, f"{name}, {args.features}") as figure:
                files = drawing.save(figure, args.out / safe(f"tsne_{name}{f'_{FEW}classes' if few else ''}"))
            print(json.dumps({"network": name, "images": len(labels), "files": list(map(str, files))}))


def safe(name: str) -> str:
    """A file name."""
    return re.sub(r"[^0-9A-Za-z+=._-]+", "_", name)
