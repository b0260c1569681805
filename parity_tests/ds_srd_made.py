"""Made-up runs of DS-SRD's programs, in the form of the golden step files but longer and smaller: 20 steps, 16 pixels.

They have no expected values: kdjax and the torch reference play them from the same numbers.
"""
from __future__ import annotations

import numpy as np

from kdjax import models
from kdjax.methods import adapters
from kdjax.weights.torch.naming import torch_shapes

STEPS, BATCH, SIZE, CLASSES, N, K = 20, 6, 16, 7, 40, 6
CLUSTERS, NEGATIVES = (14, 20), 5
CRD = {"n_data": N, "nce_k": K, "temperature": 0.07, "momentum": 0.5, "feat_dim": 16, "eps": 1e-7}
SGD = {"lr": 0.02, "momentum": 0.9, "weight_decay": 5e-4}
COMMON = {"num_classes": CLASSES, "temperature": 4.0, "optimizer": SGD, "mean": [0.5071, 0.4867, 0.4408],
          "std": [0.2675, 0.2565, 0.2761], "crd": CRD, "epoch": 12}
DS = {"optimize_strong": True, "teacher_init": "copy", "ema": 0.9, "ema_bn": "copy", "strong_ce": "both",
      "lr_weak": 0.01, "lr_strong": 0.02, "kd_weight": 0.7, "gamma": 1.0, "alpha": 1.0, "beta": 0.4, "proto": 0.4}
PCL = {"reference": "teacher", "detach_ref": True, "teacher_view": "same", "dkd": None, "lr": 0.02, "ema_decay": 0.9,
       "weights": {"gamma": 1.0, "alpha": 0.5, "beta": 0.4, "proto": 0.4}}
DA = {"mode": "cutmix", "pick": None,
      "weights": {"gamma": 0.5, "alpha": 0.9, "beta": 0.4, "proto": 0.4, "w1": 1, "w2": 0, "w3": 1}}
DKD = {"alpha": 1.0, "beta": 2.0, "temperature": 4.0, "warmup_factor": 0.6}

CASES = {  # name: (program, what differs)
    "double student": ("ds", {}),
    "double student, averaged statistics, encoder": ("ds", {"ema_bn": "ema", "strong_ce": "encoder"}),
    "double student, as released": ("ds", {"optimize_strong": False, "teacher_init": "random", "ema_bn": "none",
                                           "strong_ce": "predictor"}),
    "prototypes": ("pcl", {}),
    "prototypes, own view, DKD": ("pcl", {"reference": "self_view", "detach_ref": False, "teacher_view": "other",
                                          "dkd": DKD}),
    "prototypes, averaged student": ("pcl", {"reference": "ema_student", "teacher_view": "other"}),
    "mixing": ("da", {}),
    "mixing, labels too": ("da", {"weights": DA["weights"] | {"w2": 0.5}}),
    "mixing, picked": ("da", {"mode": "cutmix_pick", "pick": {"criterion": "student_entropy", "bn": "eval",
                                                             "n_pick": 4, "runs": 2}}),
}


def made(name: str, steps: int = STEPS) -> dict:
    """A case as a dict like a golden file's: meta, images, draws, memories; nothing that is computed."""
    program, options = CASES[name]
    meta = COMMON | {"program": program, "salt": f"made:{program}:"}
    meta |= {"ds": {"config": DS | options}, "pcl": PCL | options, "da": DA | options}[program]
    meta |= {"weak": "resnet8", "strong": "wrn_10_1"} if program == "ds" else {
        "student": "resnet8", "teacher": "wrn_10_1"}
    shapes = {start + key: shape for start, net in parts(meta).items() for key, shape in torch_shapes(net).items()}
    meta |= {"names": list(shapes), "shapes": list(shapes.values())}
    return {"meta": meta} | numbers(meta, steps)


def parts(meta: dict) -> dict:
    """{"role:" or "adapter:name.": what has torch names and shapes} of a case."""
    build = lambda name: models.build(name, num_classes=CLASSES, image_size=SIZE)
    if meta["program"] == "ds":
        pair = weak, strong = build(meta["weak"]), build(meta["strong"])
        nets = {"weak": weak, "strong": strong, "predictor": adapters.predictor(CLASSES, width(strong)),
                "teacher": strong}
    else:
        pair = build(meta["student"]), build(meta["teacher"])
        nets = dict(zip(("student", "teacher"), pair))
        nets |= {"ema_student": pair[0]} if meta.get("reference") == "ema_student" else {}
    embeds = {f"adapter:{name}.": adapters.embed(width(net), CRD["feat_dim"])
              for name, net in zip(("embed_s", "embed_t"), pair)}
    return {f"{role}:": net for role, net in nets.items()} | embeds


def width(net) -> int:
    return net.feature_shapes.embedding[0]


def numbers(meta: dict, steps: int) -> dict:
    """Images and every draw of all steps."""
    rng, z = np.random.default_rng(7), {}
    many = lambda draw: np.stack([draw() for _ in range(steps)])
    pixels = lambda: many(lambda: rng.integers(0, 256, (BATCH, 3, SIZE, SIZE), dtype=np.uint8))
    z |= {"images": pixels()} if meta["program"] == "da" else {"images_q": pixels(), "images_k": pixels()}
    z["labels"] = rng.integers(0, CLASSES, (steps, BATCH))
    z["index"] = many(lambda: rng.permutation(N)[:BATCH])
    others = (z["index"][..., None] + rng.integers(1, N, (steps, BATCH, K))) % N
    z["contrast_idx"] = np.concatenate([z["index"][..., None], others], axis=2)
    for key in ("bank_s_init", "bank_t_init"):
        z[key] = unit(rng, N, CRD["feat_dim"])
    z |= clusters(rng, z["index"])
    if meta["program"] == "ds":
        z |= {"lam": rng.random(steps), "perm": many(lambda: rng.permutation(BATCH)),
              "lr_weak": np.full(steps, meta["config"]["lr_weak"]),
              "lr_strong": np.full(steps, meta["config"]["lr_strong"])}
    if meta["program"] == "da":
        runs = meta["pick"]["runs"] if meta["pick"] else 1
        z |= {"lam": rng.random((steps, runs)), "center": rng.integers(0, SIZE, (steps, runs, 2)),
              "perm": many(lambda: np.stack([np.roll(np.arange(BATCH), rng.integers(1, BATCH)) for _ in range(runs)]))}
    return z


def clusters(rng, index: np.ndarray) -> dict:
    """Clusterings of the N images, and each step's negatives."""
    z = {}
    for k, count in enumerate(CLUSTERS):
        own = z[f"im2cluster_{k}"] = rng.integers(0, count, N)
        z[f"centroids_{k}"], z[f"density_{k}"] = unit(rng, count, 64), 0.05 + 0.1 * rng.random(count)
        z[f"negatives_{k}"] = np.stack([rng.permutation(np.setdiff1d(np.arange(count), own[i]))[:NEGATIVES]
                                        for i in index])
    return z


def unit(rng, n: int, width: int) -> np.ndarray:
    x = rng.standard_normal((n, width))
    return x / np.linalg.norm(x, axis=1, keepdims=True)
