"""One training step, kdjax and plain PyTorch in turn in one run: `python benchmarks/step.py [--rounds 5] [--steps 3]`.

wrn_40_2 -> wrn_16_2, batch 64, 50,000 random uint8 images; crop, flip and normalising included on both sides: a torch
DataLoader (with workers) against kdjax's device-resident path. Medians over rounds, and their ratio. CPU or GPU,
float32 with each framework's default precision.
"""
import argparse
import json
import pathlib
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import jax
import numpy as np
import torch
import torch.nn.functional as F

from kdjax import epoch_step, methods, models, parallel, state
from kdjax.config import default
from kdjax.step import Task
from parity_tests.reference import losses as torch_losses
from parity_tests.reference import networks

MEAN, STD = (0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761)
TEACHER, STUDENT, IMAGES, BATCH = "wrn_40_2", "wrn_16_2", 50_000, 64


class Images(torch.utils.data.Dataset):
    """The originals' input pipeline: one image at a time, cropped, flipped and normalised on the host."""

    def __init__(self, images, labels):
        self.images, self.labels = images, labels

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, i):
        padded = np.pad(self.images[i], ((4, 4), (4, 4), (0, 0)))
        top, left = np.random.randint(0, 9, 2)
        image = padded[top:top + 32, left:left + 32]
        image = image[:, ::-1] if np.random.rand() < 0.5 else image
        image = (image.astype(np.float32) / 255 - np.float32(MEAN)) / np.float32(STD)
        return torch.from_numpy(image.transpose(2, 0, 1).copy()), int(self.labels[i])


def forever(loader):
    """Batches without end."""
    while True:
        yield from loader


def torch_side(method: str, images, labels, workers: int):
    """steps(n): trains n steps in PyTorch and waits for the device."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    teacher, student = (networks.build(n, num_classes=100).float().to(device) for n in (TEACHER, STUDENT))
    teacher.eval(), student.train()
    embed = torch.nn.Linear(128, 128).to(device)
    optimizer = torch.optim.SGD([*student.parameters(), *embed.parameters()], 0.05, momentum=0.9, weight_decay=5e-4)
    loader = forever(torch.utils.data.DataLoader(Images(images, labels), BATCH, shuffle=True, drop_last=True,
                                                 num_workers=workers, persistent_workers=workers > 0,
                                                 multiprocessing_context="spawn" if workers else None))

    def one():
        x, y = (t.to(device, non_blocking=True) for t in next(loader))
        out = student(x)
        with torch.no_grad():
            target = teacher(x)
        loss = F.cross_entropy(out.logits, y)
        if method == "kd":
            loss = 0.1 * loss + 0.9 * torch_losses.kl_divergence(out.logits, target.logits, temperature=4.0)
        else:
            f_s, f_t = out.features.embedding, target.features.embedding
            loss = loss + 2 * torch_losses.itrd_correlation(embed(f_s), f_t, alpha=1.01)
            loss = loss + torch_losses.itrd_mutual(f_s, f_t)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    def steps(n):
        for _ in range(n):
            one()
        if device == "cuda":
            torch.cuda.synchronize()

    return steps


def kdjax_side(method: str, images, labels):
    """steps(n): trains n steps in kdjax and waits for the device."""
    config = default()
    config.method.name, config.method.itrd.alpha, config.devices = method, 1.01, 1
    config.loss.update({"gamma": 0.1, "alpha": 0.9, "beta": 0.0} if method == "kd" else {"gamma": 1.0, "alpha": 0.0})
    teacher, student = (models.build(n, num_classes=100, image_size=32) for n in (TEACHER, STUDENT))
    chosen = methods.build(config, student, teacher)
    place = parallel.Placement(config)
    task = Task(student, (teacher,), chosen, {method: 1.0}, config.loss, state.sgd(config, lambda _: 0.05))
    start = first_state(task, student, chosen, labels, 64)
    compiled = place.compile(epoch_step.make(task, config, MEAN, STD, 781, "main", place))
    held = {"state": place.put_state(start)}
    fixed = place.put_state((teacher.init(jax.random.key(1)),))
    data = place.put_state({"images": images, "labels": labels})
    rows = np.random.default_rng(0).permutation(IMAGES)[:781 * BATCH].reshape(781, BATCH)
    order = place.put_order(rows.astype(np.int32))

    def steps(n):
        for _ in range(n):
            held["state"], tick = compiled(held["state"], (*fixed,), data, order)
        tick.block_until_ready()

    return steps


def first_state(task, student, chosen, labels, batch, image_size=32):
    """A state as train.py makes it, for given networks and methods."""
    from kdjax.step import update
    own = student.init(jax.random.key(0))
    adapters = {m: {a: f.init(jax.random.key(2)) for a, f in x.adapters.items()} for m, x in chosen.items()}
    part = lambda what: {m: {a: v[what] for a, v in mine.items()} for m, mine in adapters.items()}
    made = {"params": {"student": own["params"], "adapters": part("params")},
            "batch_stats": {"student": own["batch_stats"], "adapters": part("batch_stats")},
            "memory": {m: x.init_memory(jax.random.key(3), jax.numpy.asarray(labels)) for m, x in chosen.items()},
            "step": jax.numpy.zeros((), jax.numpy.int32)}
    made["opt"] = task.tx.init(state.partition(made["params"], task.trains)[0])
    teachers = tuple(net.abstract for net in task.teachers)
    spec = lambda shape, dtype: jax.ShapeDtypeStruct(shape, dtype)
    example = {"images": spec((batch, image_size, image_size, 3), "float32"), "labels": spec((batch,), "int32"),
               "index": spec((batch,), "int32"), "epoch": spec((), "float32")}
    key = jax.eval_shape(lambda: jax.random.key(0))
    terms = jax.eval_shape(lambda s, t, b, k: update(task, s, t, b, k)[1], made, teachers, example, key)
    return {**made, "metrics": epoch_step.no_metrics(terms)}


def timed(steps, n: int) -> float:
    """Seconds a step, over n steps."""
    began = time.perf_counter()
    steps(n)
    return (time.perf_counter() - began) / n


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2, help="of the torch DataLoader")
    parser.add_argument("--json", help="also write the figures here")
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (IMAGES, 32, 32, 3), np.uint8), rng.integers(0, 100, IMAGES).astype(np.int32)
    rows = []
    print(f"{TEACHER} -> {STUDENT}, batch {BATCH}; {jax.devices()[0].device_kind}; jax {jax.__version__}, torch "
          f"{torch.__version__}, {args.rounds} rounds of {args.steps} steps in turn, medians")
    for method in ("kd", "itrd"):
        sides = {"kdjax": kdjax_side(method, images, labels), "torch": torch_side(method, images, labels, args.workers)}
        times = {name: [] for name in sides}
        for steps in sides.values():
            steps(2)  # compile, warm up
        for _ in range(args.rounds):
            for name, steps in sides.items():
                times[name].append(timed(steps, args.steps))
        median = {name: statistics.median(t) for name, t in times.items()}
        rows.append({"method": method, **{f"{k}_ms": 1e3 * v for k, v in median.items()},
                     "ratio": median["torch"] / median["kdjax"]})
        print(f"{method:5s} kdjax {1e3 * median['kdjax']:8.1f} ms   torch {1e3 * median['torch']:8.1f} ms   "
              f"torch / kdjax {rows[-1]['ratio']:.2f}", flush=True)
    if args.json:
        with open(args.json, "w") as f:
            json.dump({"device": jax.devices()[0].device_kind, "rows": rows}, f, indent=1)


if __name__ == "__main__":
    main()
