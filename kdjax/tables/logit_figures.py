"""The two figures of the distillers papers: how a student's class logits differ from its teacher's, and t-SNE.

spec/protocols.md 5.3. The heat map is called a correlation difference there although no correlation is computed.
"""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from kdjax.errors import UserError
from kdjax.tables import drawing

MOST = 3.0  # where the heat map's colours end
PERPLEXITY, ITERATIONS = 40, 300


@contextmanager
def heat_map(difference: np.ndarray, title: str) -> Iterator:
    """A figure of |student - teacher| [C, C]: rows are true classes, columns logits; white 0, blue 3 and above."""
    with drawing.canvas(1, 1, (6.4, 5.4)) as (figure, (ax,)):
        ax.grid(False)
        shown = ax.imshow(difference, cmap="Blues", vmin=0, vmax=MOST, interpolation="nearest")
        bar = figure.colorbar(shown, ax=ax, location="left", shrink=0.85, pad=0.02,
                              extend="max" if difference.max() > MOST else "neither")
        bar.set_label("|student − teacher|, mean class logits")
        ax.yaxis.tick_right()
        ax.yaxis.set_label_position("right")
        ax.set(title=title, xlabel="logit of class", ylabel="true class")
        ax.spines[:].set_visible(True)
        step = max(1, len(difference) // 10)
        ax.set_xticks(range(0, len(difference), step)), ax.set_yticks(range(0, len(difference), step))
        yield figure


def embed(features: np.ndarray, seed: int = 0) -> np.ndarray:
    """[N, D] -> [N, 2] by scikit-learn's t-SNE: perplexity 40 (a third of N for fewer than 121), 300 iterations."""
    from sklearn.manifold import TSNE
    if len(features) < 6:
        raise UserError(f"t-SNE needs more than {len(features)} images; use more, or more classes")
    perplexity = min(PERPLEXITY, (len(features) - 1) / 3)
    return TSNE(2, perplexity=perplexity, max_iter=ITERATIONS, init="pca", random_state=seed).fit_transform(features)


@contextmanager
def scatter(points: np.ndarray, labels: np.ndarray, title: str) -> Iterator:
    """A figure of points [N, 2], a colour and a mark a class; up to 20 classes are named beside it."""
    with drawing.canvas(1, 1, (6.4, 5.6)) as (figure, (ax,)):
        classes = np.unique(labels)
        for place, label in enumerate(classes):
            own, look = points[labels == label], drawing.look(place)
            ax.scatter(*own.T, s=14, alpha=0.6, linewidths=0, label=str(label), color=look["color"],
                       marker=look["marker"])
        ax.set_axis_off()
        ax.set_title(title)
        if len(classes) <= 20:
            figure.legend(loc="outside right center", title="class", markerscale=2, fontsize=9)
        yield figure
