"""What frozen features are worth, as evaluations of a run: nearest neighbours, a linear classifier."""
from __future__ import annotations

import numpy as np

from kdjax.step.pretext_schedules import probe_rate
from kdjax.tasks import probes
from kdjax.tasks.base import Evaluation

AT_THE_END = 2**31 - 1
K = 200


def neighbours(net: str, num_classes: int, every: int = 1, k: int = K) -> Evaluation:
    """Accuracy on the test set of a vote of the k nearest training images, by the features of a network."""
    def measure(look):
        scores = probes.neighbours(look.features(net), look.labels(), look.features(net, split="test"), num_classes, k)
        return scored(scores / np.maximum(scores.sum(1, keepdims=True), 1e-12), look.labels("test"))
    return Evaluation(measure, every)


def linear(net: str, num_classes: int, epochs: int, lr: float, seed: int, every: int = AT_THE_END) -> Evaluation:
    """Linear evaluation on features of the training images as they are (without the augmentation of `kdjax.transfer`):
    spec/self_supervised.md, 2.9, its milestones at the same fractions of `epochs`."""
    def measure(look):
        rng, features, labels = np.random.default_rng(seed), look.features(net), look.labels()
        batch = min(probes.BATCH, len(labels))
        weight = (0.01 * rng.standard_normal((num_classes, features.shape[1]))).astype(features.dtype)
        order = np.stack([rng.permutation(len(labels)) for _ in range(epochs)])
        milestones = tuple(round(epochs * share) for share in (0.8, 0.9, 0.95))
        rate = probe_rate(lr, batch, milestones)
        weight, bias, _ = probes.sgd(features, labels, order, weight, rate=rate, batch=batch)
        logits = look.features(net, split="test") @ np.asarray(weight).T + np.asarray(bias)
        return scored(_softmax(logits), look.labels("test"))
    return Evaluation(measure, every)


def closed_form(net: str, num_classes: int, every: int = AT_THE_END) -> Evaluation:
    """The least-squares classifier without bias (the originals' `--pinv`)."""
    def measure(look):
        weight = probes.closed_form(look.features(net), look.labels(), num_classes)
        scores = look.features(net, split="test") @ weight.T
        return scored(_softmax(scores), look.labels("test"))
    return Evaluation(measure, every)


def scored(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """{"top1", "top5" in percent, "loss"} of class probabilities [N, C]."""
    own = probabilities[np.arange(len(labels)), labels]
    return {"top1": probes.top_k(probabilities, labels), "top5": probes.top_k(probabilities, labels, 5),
            "loss": float(-np.log(np.maximum(own, 1e-12)).mean())}


def _softmax(logits: np.ndarray) -> np.ndarray:
    wide = np.exp(logits - logits.max(1, keepdims=True))
    return wide / wide.sum(1, keepdims=True)
