"""The original programs' small protocols, for kdjax: their accuracies over seeds are compared with ours.

    python -m kdjax.sweep runs/2k --sweep configs/sweeps/reproduction.py:protocol=2k,data=cifar10_2k.npz,teacher=FILE
    python -m kdjax.report runs/2k --against original_accuracies.csv

data: 2,000 training and 1,500 test images of CIFAR-10 as train_images, train_labels, test_images, test_labels (10k:
10,000 and 5,000), the first of each class. teacher: RepDistiller's checkpoint of a wrn_10_2. Student wrn_10_1, batch
64, SGD 0.05, five epochs with milestones 3 and 4 (10k: six; 4, 5), ITRD with alpha 1.01, CRD with 1,024 negatives.
`python configs/sweeps/reproduction.py TFDS_DIR 200 150 cifar10_2k.npz` (1000 500 for 10k) writes the images from a
prepared TFDS copy.
"""
import sys

import numpy as np

from kdjax.errors import UserError

PROTOCOLS = {  # epochs, milestones, methods, seeds
    "2k": (5, "(3,4)", ("vanilla", "kd", "at", "sp", "crd", "itrd"), range(5)),
    "10k": (6, "(4,5)", ("vanilla", "kd", "itrd"), range(3)),
}


def get_sweep(arg=None):
    """arg: protocol=2k|10k,data=FILE.npz,teacher=FILE."""
    given = dict(part.partition("=")[::2] for part in filter(None, (arg or "").split(",")))
    protocol = given.get("protocol", "2k")
    if set(given) - {"protocol", "data", "teacher"} or protocol not in PROTOCOLS or not given.get("teacher"):
        raise UserError("reproduction.py takes protocol=2k or 10k, data=FILE.npz and teacher=FILE, as its head shows")
    epochs, milestones, methods, seeds = PROTOCOLS[protocol]
    fields = {"data.stats": "cifar10", "data.batch_size": 64, "data.drop_last": True, "train.epochs": epochs,
              "optim.lr": 0.05, "optim.schedule.milestones": milestones, "teacher.min_accuracy": 0}
    return {"methods": methods, "pairs": ((given["teacher"], "wrn_10_1"),), "seeds": seeds, "fields": fields,
            "datasets": (given.get("data", f"cifar10_{protocol}.npz"),),
            "of": {"crd": {"method.crd.num_negatives": 1024}, "itrd": {"method.itrd.alpha": 1.01}}}


def write_images(root: str, train: int, test: int, out: str) -> None:
    """The first `train` and `test` images of each class of TFDS's cifar10 under `root`, in file order, as `out`."""
    import tensorflow_datasets as tfds
    arrays = {}
    for split, count in (("train", train), ("test", test)):
        source = tfds.data_source("cifar10", data_dir=root, split=split, download=False)
        rows = source.__getitems__(range(len(source)))
        labels = np.array([row["label"] for row in rows], np.int64)
        chosen = np.sort(np.concatenate([np.flatnonzero(labels == label)[:count] for label in range(10)]))
        arrays[f"{split}_images"] = np.stack([rows[k]["image"] for k in chosen]).astype(np.uint8)
        arrays[f"{split}_labels"] = labels[chosen]
    np.savez(out, **arrays)


if __name__ == "__main__":
    write_images(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
