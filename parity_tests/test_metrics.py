"""Level (f): top-1, top-5 and loss of an evaluation, against torch's topk and cross entropy."""
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from kdjax.run import accuracy
from kdjax.step.metrics import tally
from parity_tests.tolerances import check


def torch_metrics(logits, labels):
    """RepDistiller's accuracy: topk, compare, percent."""
    logits, labels = torch.from_numpy(logits), torch.from_numpy(labels)
    hits = logits.topk(min(5, logits.shape[1]), dim=1).indices == labels[:, None]
    loss = torch.nn.functional.cross_entropy(logits, labels)
    return {"top1": 100 * hits[:, 0].double().mean(), "top5": 100 * hits.any(1).double().mean(), "loss": loss}


@pytest.mark.parametrize("classes", [3, 5, 10, 100])
def test_a_whole_split_scores_as_in_torch_also_when_batches_do_not_divide_it(classes):
    """53 images whose pixels are the logits, in batches of 16: the last one is padded, and padding must not count."""
    rng = np.random.default_rng(classes)
    logits = rng.standard_normal((53, classes)) * 3
    labels = np.where(rng.random(53) < 0.4, logits.argmax(1), rng.integers(0, classes, 53))
    images = np.arange(53, dtype=np.uint8)[:, None, None, None].repeat(3, axis=3)
    table = jnp.asarray(logits)
    find = lambda _, x: table[jnp.round(x[:, 0, 0, 0] * 255).astype(jnp.int32)]
    step = accuracy.scorer(find, [0.0] * 3, [1.0] * 3, jnp.float64)
    data = {"images": jnp.asarray(images), "labels": jnp.asarray(labels)}
    got = accuracy.score(step, None, data, 16)
    assert got["count"] == 53
    for name, want in torch_metrics(logits, labels).items():
        check("metrics", f"{name}, {classes} classes", got[name], want)


def test_ties_never_count_more_than_once():
    """A constant network is right for one class only, as argmax is; torch's topk breaks ties as it likes."""
    labels = jnp.arange(10)
    got = tally(jnp.zeros((10, 10)), labels, jnp.ones(10))
    assert float(got["top1"]) == 1 and float(got["top5"]) == 5
