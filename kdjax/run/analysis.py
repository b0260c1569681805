"""What two networks' outputs have in common, class by class."""
import numpy as np

from kdjax.errors import UserError


def class_logits(logits: np.ndarray, labels: np.ndarray, num_classes: int, *, standardize: bool) -> np.ndarray:
    """[C, C], float64: row c is the mean logit vector of the samples of class c.

    standardize: each vector first minus its mean, over its unbiased standard deviation. Raises UserError when a class
    has no sample (the release gives NaN rows).
    """
    logits, labels = np.asarray(logits, np.float64), np.asarray(labels)
    if standardize:
        logits = (logits - logits.mean(1, keepdims=True)) / logits.std(1, ddof=1, keepdims=True)
    counts = np.bincount(labels, minlength=num_classes)
    if not counts.all():
        raise UserError(f"class {int(np.argmin(counts))} has no sample among the {len(labels)}; use a set that has "
                        f"all classes")
    sums = np.zeros((num_classes, logits.shape[1]))
    np.add.at(sums, labels, logits)
    return sums / counts[:, None]


def correlation_difference(matrix_s: np.ndarray, matrix_t: np.ndarray) -> np.ndarray:
    """|matrix_s - matrix_t| with the diagonal 0: what the release's heat map shows."""
    difference = np.abs(np.asarray(matrix_s) - np.asarray(matrix_t))
    np.fill_diagonal(difference, 0.0)
    return difference
