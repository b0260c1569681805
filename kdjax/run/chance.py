"""A student that has learned nothing: said early, and again beside the result, since a table only shows a number."""
from __future__ import annotations

FIRST, MARGIN = 2, 1.1  # the epoch from which it is said; how far above chance still counts as chance


def hint(top1: float, classes: int, epoch: int) -> str:
    """What to say after an epoch; "" where the student is better than chance. top1: in percent, on the test set;
    classes: 0 where the result is of an older kdjax that did not tell."""
    if not classes or epoch < FIRST or top1 > MARGIN * 100 / classes:
        return ""
    return (f"after epoch {epoch} the student is no better than chance ({top1:.2f}% of {classes} classes); usually the "
            "rate (optim.lr) or a weight (loss.alpha, loss.beta) is too large for this data: try a tenth")
