"""Accuracy of a network.

    python -m kdjax.evaluate CHECKPOINT --dataset=cifar10 --data_dir=DIR [--stats=imagenet] [--json]
"""
from __future__ import annotations

import json
import sys
import types

import jax
import jax.numpy as jnp
import numpy as np

from kdjax import models
from kdjax.config.command_line import Parser, guarded
from kdjax.data import order as batches
from kdjax.data import source as sources
from kdjax.data import views as augment
from kdjax.errors import UserError
from kdjax.step.update import cross_entropy


def tally(logits: jax.Array, labels: jax.Array, weights: jax.Array) -> dict:
    """Weighted sums over a batch: top-1 and top-5 hits, loss, count. Of equal logits the first wins, as for argmax."""
    own = jnp.take_along_axis(logits, labels[:, None], axis=1)
    tied_before = (logits == own) & (jnp.arange(logits.shape[1]) < labels[:, None])
    rank = jnp.sum((logits > own) | tied_before, axis=1)
    hit = lambda k: jnp.sum(weights * (rank < k) * jnp.isfinite(own[:, 0]))
    loss = jnp.sum(weights * cross_entropy(logits, labels))
    return {"top1": hit(1), "top5": hit(5), "loss": loss, "count": weights.sum()}


def scorer(predict, mean, std, dtype=jnp.float32):
    """A jitted (variables, data, index, weights) -> tally; predict: (variables, images) -> logits."""
    @jax.jit
    def step(variables, data, index, weights):
        images = augment.normalize(data["images"][index], mean, std, dtype)
        return tally(predict(variables, images), data["labels"][index], weights)
    return step


def score(step, variables, data, batch_size: int, place=lambda x: x, check=lambda: None) -> dict:
    """Top-1 and top-5 in percent, mean loss and count over a whole split. check() is called between batches."""
    totals = None
    for index, weights in zip(*batches.eval_batches(len(data["labels"]), batch_size)):
        got = step(variables, data, place(index), place(weights.astype(np.float32)))
        totals = got if totals is None else jax.tree.map(jnp.add, totals, got)
        check()
    totals = {k: float(np.asarray(v.addressable_data(0))) for k, v in totals.items()}
    n = totals["count"]
    percent = {k: 100 * totals[k] / n for k in ("top1", "top5")}
    return {**percent, "loss": totals["loss"] / n, "count": int(n)}


def evaluate(net, variables, split, mean, std, batch_size: int = 500) -> dict:
    """`score` of one network alone on one split."""
    data = {"images": jnp.asarray(split.images), "labels": jnp.asarray(split.labels)}
    return score(scorer(lambda v, x: net.apply(v, x, train=False)[0].logits, mean, std), variables, data,
                 min(batch_size, len(split.labels)))


def check_classes(net, num_classes: int, dataset: str) -> None:
    """Refuses a network whose classifier does not fit the data."""
    if net.num_classes != num_classes:
        raise UserError(f"{net.name} has {net.num_classes} classes but {dataset} has {num_classes}; "
                        f"use a network trained for {dataset}, or another data set")


def main(argv: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = Parser("kdjax.evaluate", description="Top-1, top-5 and loss of a network on a test set.")
    parser.add_argument("checkpoint", help="a converted folder, a run, or a .pth file")
    parser.add_argument("--dataset", default="cifar100")
    parser.add_argument("--data_dir", default="")
    parser.add_argument("--stats", default="auto", help="whose mean and std: auto, cifar10, cifar100, imagenet")
    parser.add_argument("--model", help="the architecture, where the file does not tell; or your own class")
    parser.add_argument("--batch_size", type=int, default=500)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args(argv)
    if args.batch_size < 1:
        parser.error(f"--batch_size={args.batch_size} is too small")
    options = {"name": args.model} if args.model else {}
    net, variables = models.load(args.checkpoint, **options)
    fields = types.SimpleNamespace(dataset=args.dataset, dir=args.data_dir, download=False, stats=args.stats,
                                   verify=True, image_size=None, per_class=0, valid_size=0, cache_dir="")
    known = sources.known_classes(args.dataset)
    check_classes(net, known or net.num_classes, args.dataset)
    data = sources.load(fields, seed=0)
    check_classes(net, data.num_classes, args.dataset)
    result = evaluate(net, variables, data.test, data.mean, data.std, args.batch_size)
    print(json.dumps(result) if args.json else
          f"{net.name} on {data.name}: top-1 {result['top1']:.2f}  top-5 {result['top5']:.2f}  "
          f"loss {result['loss']:.4f}  ({result['count']} images)")
    return 0


if __name__ == "__main__":
    sys.exit(guarded(main))
