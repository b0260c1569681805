"""Made-up pretext runs in the form of the golden step files, but of 20 steps; what they expect is the reference's."""
from __future__ import annotations

import zlib

import numpy as np

from parity_tests.reference import selfsup

STEPS, BATCH, KEYS, IMAGES = 20, 8, 16, 40
COMMON = {"alpha": 1.0, "batch": BATCH, "dim": 6, "emam": 0.9, "imix": "imixup", "input_shape": [2, 6, 6],
          "method": "byol", "mix_layers": "0", "num_aux": 0, "pred": "none", "proj": "mlpbn1", "qlen": KEYS,
          "sgd": {"lr": 0.05, "momentum": 0.9, "weight_decay": 1e-4}, "shuffle_bn": False, "steps": STEPS, "sym": False,
          "temp": 0.2, "trunk_widths": [72, 16, 12]}
WEAK = {"student_widths": [72, 16, 10],
        "crd": {"K": 7, "T": 0.07, "beta": 0.8, "feat_dim": 16, "momentum": 0.5, "n_data": IMAGES}}

CASES = {  # name: what differs
    "byol": {"pred": "mlpbn1"},
    "byol, both ways, cut": {"pred": "linbn", "proj": "mlpbn", "imix": "icutmix", "sym": True},
    "byol, inside": {"pred": "mlp", "mix_layers": "012"},
    "byol, four devices, shuffled": {"pred": "mlpbn1", "proj": "mlpbn", "groups": 4, "shuffle_bn": True},
    "npair": {"method": "npair", "proj": "mlpbn"},
    "npair, inside": {"method": "npair", "proj": "linbn", "mix_layers": "12"},
    "moco": {"method": "moco", "imix": "none", "proj": "lin"},
    "mocon": {"method": "mocon", "sym": True},
    "mocon, mixed inputs": {"method": "mocon", "num_aux": 2, "groups": 2, "shuffle_bn": True},
    "DS-SRD, byol": {"pred": "mlpbn1", **WEAK},
    "DS-SRD, mocon": {"method": "mocon", **WEAK},
}


def made(name: str, steps: int = STEPS) -> tuple[dict, dict]:
    """(arrays as in a golden file, the reference's results among them; meta)."""
    meta, rng = COMMON | CASES[name] | {"steps": steps}, np.random.default_rng(zlib.crc32(name.encode()))
    z = start(meta, rng)
    for s in range(meta["steps"]):
        z |= {f"in.step{s}.{key}": np.asarray(value) for key, value in step(meta, rng).items()}
    return z | {f"f64.{key}": np.asarray(value) for key, value in selfsup.play(z, meta).items()}, meta


def start(meta, rng) -> dict:
    """Weights, queue and banks; the target starts near the online network."""
    z = {f"in.init.{name}.{key}": drawn(key, value.shape, rng) for name, net in selfsup.networks(meta).items()
         for key, value in net.state_dict().items() if not key.endswith("tracked")}
    for key in [key for key in z if ".target." in key]:
        z[key] = z[key.replace("target", "online")] + 0.01 * rng.random(z[key].shape)
    unit = lambda *shape: (lambda x: x / np.linalg.norm(x, axis=0))(rng.normal(size=shape))
    if meta["method"] in ("moco", "mocon"):
        z |= {"in.init.queue": unit(meta["dim"], KEYS), "in.init.queue_ptr": np.array([0])}
    if "crd" in meta:
        z |= {f"in.init.crd.memory_{side}": unit(meta["crd"]["feat_dim"], IMAGES).T for side in ("student", "teacher")}
    return z


def drawn(key: str, shape, rng) -> np.ndarray:
    """Weights of a size that trains; scales and variances around 1."""
    if key.endswith("running_var") or ("bn" in key and key.endswith("weight")):
        return 0.5 + rng.random(shape)
    return rng.normal(size=shape) / np.sqrt(shape[-1])


def step(meta, rng) -> dict:
    """What one step is given: two views of the images, and every draw."""
    images = rng.normal(size=(BATCH, *meta["input_shape"]))
    given = {f"im_{i}": images + 0.3 * rng.normal(size=images.shape) for i in (1, 2)}
    for p in range(1 + meta["sym"]):
        given |= {f"lam_raw.{p}": rng.random(BATCH if meta["imix"] == "imixup" else ()),
                  f"perm.{p}": rng.permutation(BATCH), f"shuffle.{p}": rng.permutation(BATCH),
                  f"cut_center.{p}": rng.integers(0, meta["input_shape"][1], 2),
                  f"mix_layer_pick.{p}": rng.integers(len(meta["mix_layers"]))}
    if meta["num_aux"]:
        given |= {"aux_perms": np.stack([rng.permutation(2 * BATCH) for _ in range(meta["num_aux"])]),
                  "aux_dirichlet": rng.dirichlet(np.ones(meta["num_aux"] + 1), 2 * BATCH)}
    if "crd" in meta:
        index = rng.permutation(IMAGES)[:BATCH]
        given |= {"index": index, "contrast_idx": np.concatenate(
            [index[:, None], rng.integers(0, IMAGES, (BATCH, meta["crd"]["K"]))], 1)}
    return given
