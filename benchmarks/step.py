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

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import jax
import numpy as np
import torch
import torch.nn.functional as F

from benchmarks.side import BATCH, MEAN, STD, Side, random_data, timed
from parity_tests.reference import losses as torch_losses
from parity_tests.reference import networks

TEACHER, STUDENT = "wrn_40_2", "wrn_16_2"


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


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2, help="of the torch DataLoader")
    parser.add_argument("--json", help="also write the figures here")
    args = parser.parse_args()
    data, rows = random_data(), []
    print(f"{TEACHER} -> {STUDENT}, batch {BATCH}; {jax.devices()[0].device_kind}; jax {jax.__version__}, torch "
          f"{torch.__version__}, {args.rounds} rounds of {args.steps} steps in turn, medians")
    for method in ("kd", "itrd"):
        sides = {"kdjax": Side(method, TEACHER, STUDENT, data), "torch": torch_side(method, *data.train, args.workers)}
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
