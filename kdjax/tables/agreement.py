"""How a trained student agrees with its teacher, and how well its confidence is calibrated.

Measured on the test images from what a run left behind (its `student/`, the teacher's checkpoint, the data), kept in
agreement.json beside the sha256 of the student's weights, so that it is measured once.
"""
from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from kdjax import weights
from kdjax.config.fields import FIELDS, default
from kdjax.data import source
from kdjax.errors import UserError
from kdjax.files.atomic import atomic_write_text
from kdjax.tables.forward import outputs
from kdjax.tables.runs import Record, load
from kdjax.weights.folder import recorded_stats

BINS = 15


def top1_agreement(student: np.ndarray, teacher: np.ndarray) -> float:
    """Percent of the rows of two [N, C] logit arrays with the same largest entry."""
    return 100 * float(np.mean(np.argmax(student, 1) == np.argmax(teacher, 1)))


def divergence(student: np.ndarray, teacher: np.ndarray) -> float:
    """Mean over N of KL(teacher || student) between the softmaxes of [N, C] logits, in nats, at temperature 1."""
    log_s, log_t = log_softmax(student), log_softmax(teacher)
    return float(np.mean(np.sum(np.exp(log_t) * (log_t - log_s), axis=1)))


def calibration_error(logits: np.ndarray, labels: np.ndarray, bins: int = BINS) -> float:
    """Expected calibration error in percent (Naeini et al. 2015; Guo et al. 2017): confidence in `bins` equal bins
    (0, 1/bins], ...; the mean, weighted by the bins' sizes, of |accuracy - confidence|."""
    probabilities = np.exp(log_softmax(logits))
    confidence, right = probabilities.max(1), probabilities.argmax(1) == labels
    place = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    gaps = [abs(np.mean(right[place == b]) - np.mean(confidence[place == b])) * np.mean(place == b)
            for b in range(bins) if np.any(place == b)]
    return 100 * float(sum(gaps))


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Over the last axis, in float64."""
    shifted = np.asarray(logits, np.float64) - np.max(logits, axis=-1, keepdims=True)
    return shifted - np.log(np.sum(np.exp(shifted), axis=-1, keepdims=True))


def measure_all(records: list[Record], say: Callable[[str], None]) -> list[str]:
    """Measures every finished run that has no up-to-date agreement.json; returns why others have none.

    Teachers' logits are computed once a teacher and data set.
    """
    held, notes = {}, []
    for record in [r for r in records if r.state == "finished"]:
        stamp = (load(record.folder / "student" / "network.json") or {}).get("weights_sha256")
        if stamp and record.agreement.get("weights_sha256") == stamp:
            continue
        try:
            found = measure(record, held) | {"weights_sha256": stamp}
            atomic_write_text(record.folder / "agreement.json", json.dumps(found, indent=1) + "\n")
            say(f"{record.folder}: {', '.join(f'{k} {v:.3f}' for k, v in found.items() if isinstance(v, float))}")
        except (UserError, OSError) as error:
            notes.append(f"agreement of {record.folder} is not measured: {error}")
    return notes


def measure(record: Record, held: dict) -> dict:
    """ece, and where the run had one teacher, teacher_agreement and teacher_kl. held: what earlier calls computed."""
    data = dataset(record, held)
    net, variables = weights.load(record.folder)
    own = outputs(net, variables, data.test.images, data.mean, data.std)
    check_accuracy(record, own, data.test.labels)
    found = {"ece": calibration_error(own, data.test.labels)}
    path = teacher_path(record)
    if path is None:
        return found
    key = (str(path), record.fields.get("teacher.name"), id(data))
    if key not in held:
        teacher, theirs = weights.load(path, name=teacher_name(record, path))
        held[key] = outputs(teacher, theirs, data.test.images, data.mean, data.std)
    return found | {"teacher_agreement": top1_agreement(own, held[key]), "teacher_kl": divergence(own, held[key])}


def check_accuracy(record: Record, logits: np.ndarray, labels: np.ndarray) -> None:
    """Refuses a student that alone is not what the run evaluated (simkd classifies with the teacher's head)."""
    got, said = 100 * float(np.mean(logits.argmax(1) == labels)), record.last["top1"]
    if abs(got - said) > max(0.1, 300 / len(labels)):
        raise UserError(f"its student alone reaches {got:.2f}%, the run says {said:.2f}%")


def dataset(record: Record, held: dict):
    """The run's data set, as its config describes it."""
    fields = default()
    fields.update_from_flattened_dict({name: value for name, value in record.fields.items()
                                       if name in FIELDS and name.startswith("data.")} | {"data.download": False})
    if "data.dataset" not in record.fields:
        raise UserError("its config.json does not say on which data it was trained")
    fields.data.allow_empty_classes = True
    if fields.data.stats == "teacher":
        fields.data.stats = recorded_stats(record.folder)
    seed = record.seed if fields.data.class_ratio != 1 or fields.data.valid_size else 0  # what the seed chooses
    key = (fields.data.to_json(), seed)
    if key not in held:
        held[key] = source.load(fields.data, seed)
    return held[key]


def teacher_name(record: Record, path: str) -> str | None:
    """The network of a torch file, as config.json says; never code: that file may be anybody's, and nobody typed it."""
    name = record.fields.get("teacher.name")
    return name if Path(path).is_file() and isinstance(name, str) and name and ":" not in name else None


def teacher_path(record: Record) -> str | None:
    """Where the run's one teacher lies; None for a run without, or with several."""
    own = record.folder / "teacher" / "student"
    if own.is_dir():
        return str(own)
    given = str(record.fields.get("teacher.checkpoint") or "")
    return None if not given or "," in given or record.method == "vanilla" else given
