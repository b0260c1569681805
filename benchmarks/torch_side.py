"""PyTorch's side of the benchmarks: the same training in a plain loop, with a DataLoader as the originals have it.

    python benchmarks/torch_side.py run METHOD --teacher T.pth --pair A/B --data D.npz --epochs 2 [--best]
    python benchmarks/torch_side.py steps METHOD --pair A/B [--best] [--given]      reads "n", answers seconds a step

--best: channels_last (the caller sets the malloc variables). --given: the teacher's outputs are taken as computed.
"""
import argparse
import json
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import numpy as np
import torch

from benchmarks.talk import serve
from parity_tests.reference import losses, networks
from parity_tests.reference import step as reference
from parity_tests.reference.methods import Shapes, build

MEAN, STD = np.float32((0.5071, 0.4867, 0.4408)), np.float32((0.2675, 0.2565, 0.2761))
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
WEIGHTS = {"kd": (0.1, 0.9, 0.0), "itrd": (1.0, 0.0, 1.0), "crd": (1.0, 0.0, 0.8), "dkd": (1.0, 0.0, 1.0),
           "pkt": (1.0, 0.0, 30000.0)}  # gamma, alpha, beta of configs/METHOD.py
NEGATIVES = 16384


class Images(torch.utils.data.Dataset):
    """The originals' input pipeline: one image at a time, cropped, flipped and normalised on the host."""

    def __init__(self, images, labels):
        self.images, self.labels = images, labels

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, i):
        side = self.images.shape[1]
        padded = np.pad(self.images[i], ((4, 4), (4, 4), (0, 0)))
        top, left = np.random.randint(0, 9, 2)
        image = padded[top:top + side, left:left + side]
        image = image[:, ::-1] if np.random.rand() < 0.5 else image
        image = (image.astype(np.float32) / 255 - MEAN) / STD
        return torch.from_numpy(image.transpose(2, 0, 1).copy()), int(self.labels[i]), i


class Trainer:
    """One method on one pair. best: channels_last. given: the teacher runs once, its outputs are used ever after."""

    def __init__(self, method, pair, images, labels, batch=64, workers=2, best=False, given=False):
        self.name, self.best, self.given = method, best, given
        teacher, student = pair.split("/")
        classes = int(labels.max()) + 1
        built = [networks.build(n, num_classes=classes).double() for n in (teacher, student)]
        shapes = [Shapes.of(n, net, images.shape[1]) for n, net in ((student, built[1]), (teacher, built[0]))]
        options = {"n_data": len(labels)} if method == "crd" else {}
        self.method = build(method, *shapes, **options).float().to(DEVICE)
        layout = torch.channels_last if best else torch.contiguous_format
        self.teacher, self.student = (net.float().to(DEVICE, memory_format=layout) for net in built)
        self.teacher.requires_grad_(False)
        reference.set_modes(self.student, self.teacher, self.method)
        self.weights, self.memory = reference.Weights(*WEIGHTS[method]), {}
        if method == "crd":
            bank = lambda: torch.nn.functional.normalize(torch.randn(len(labels), 128), dim=1).to(DEVICE)
            self.memory = {"bank_s": bank(), "bank_t": bank(), "norm_s": None, "norm_t": None}
        owned = [*self.student.parameters(), *self.method.parameters()]
        self.optimizer = torch.optim.SGD(owned, 0.05, momentum=0.9, weight_decay=5e-4)
        context = "spawn" if workers else None
        self.loader = torch.utils.data.DataLoader(Images(images, labels), batch, shuffle=True, drop_last=True,
                                                  num_workers=workers, persistent_workers=workers > 0,
                                                  multiprocessing_context=context)

    def forever(self):
        """Batches without end."""
        while True:
            yield from self.loader

    def step(self, batch):
        """One update."""
        x, labels, index = (part.to(DEVICE, non_blocking=True) for part in batch)
        x = x.contiguous(memory_format=torch.channels_last) if self.best else x
        batch = {"images": x, "labels": labels, "index": index}
        ctx = reference.context(self.student, self.teacher, self.method, batch)
        if self.given:
            self.teacher.forward = lambda _: ctx.teacher
        if self.name == "crd":
            total = torch.nn.functional.cross_entropy(ctx.student.logits, labels) + 0.8 * self.crd(ctx)
        else:
            total = reference.main_loss(self.method, ctx, self.memory, self.weights)[0]["total"]
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()
        self.optimizer.step()

    def crd(self, ctx):
        """CRD with its banks moved in place, as the release moves them."""
        z_s, z_t = (ctx.adapt(name, out.features.embedding) for name, out in (("embed_s", ctx.student),
                                                                              ("embed_t", ctx.teacher)))
        m, index = self.memory, ctx.batch["index"]
        rows = torch.randint(len(m["bank_s"]), (len(index), NEGATIVES + 1), device=DEVICE)
        rows[:, 0] = index
        value, norms = losses.crd(z_s, z_t, m["bank_s"][rows], m["bank_t"][rows], n_data=len(m["bank_s"]),
                                  norm_s=m["norm_s"], norm_t=m["norm_t"])
        m["norm_s"], m["norm_t"] = norms
        with torch.no_grad():
            for bank, z in (("bank_s", z_s), ("bank_t", z_t)):
                m[bank][index] = losses.memory_update(m[bank][index], z.detach(), momentum=0.5)
        return value

    @torch.no_grad()
    def accuracy(self, images, labels, batch=500):
        """Top-1 in percent of the student."""
        self.student.eval()
        hits = 0
        for i in range(0, len(labels), batch):
            x = ((torch.from_numpy(images[i:i + batch]).float() / 255 - torch.from_numpy(MEAN)) / torch.from_numpy(STD))
            logits = self.student(x.permute(0, 3, 1, 2).to(DEVICE)).logits
            hits += int((logits.argmax(1).cpu() == torch.from_numpy(labels[i:i + batch])).sum())
        self.student.train()
        return 100 * hits / len(labels)


def run(args):
    """Epochs over real images, each with its evaluation, timed by itself."""
    with np.load(args.data, allow_pickle=False) as data:
        train, test = ((data[f"{s}_images"], data[f"{s}_labels"].astype(np.int64)) for s in ("train", "test"))
    trainer, seconds = Trainer(args.method, args.pair, *train, workers=args.workers, best=args.best), []
    trainer.teacher.load_state_dict(torch.load(args.teacher, weights_only=True)["model"])
    for _ in range(args.epochs):
        began = time.perf_counter()
        for batch in trainer.loader:
            trainer.step(batch)
        top1 = trainer.accuracy(*test)
        seconds.append(time.perf_counter() - began)
    print(json.dumps({"epoch_seconds": seconds, "top1": top1}))


def steps(args):
    """Answers "n" with seconds a step, over random images."""
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (args.images, 32, 32, 3), np.uint8), np.arange(args.images) % 100
    trainer = Trainer(args.method, args.pair, images, labels, workers=args.workers, best=args.best, given=args.given)
    batches = trainer.forever()

    def timed(n):
        began = time.perf_counter()
        for _ in range(n):
            trainer.step(next(batches))
        if DEVICE == "cuda":
            torch.cuda.synchronize()
        return (time.perf_counter() - began) / n
    serve(timed)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("run", "steps"))
    parser.add_argument("method", choices=WEIGHTS)
    parser.add_argument("--pair", default="wrn_40_2/wrn_16_2")
    parser.add_argument("--teacher")
    parser.add_argument("--data")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--best", action="store_true")
    parser.add_argument("--given", action="store_true")
    args = parser.parse_args()
    (run if args.what == "run" else steps)(args)


if __name__ == "__main__":
    main()
