"""The pretext programs of i-Mix and DS-SRD in torch, step after step; spec/self_supervised.md 2 and 3.

`play(file, meta)` takes a golden step file, or a dict of its form (parity_tests/selfsup_made.py), and returns what the
program computes under the file's names. meta["groups"]: devices, each with its own batch statistics.
"""
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from parity_tests.reference import losses
from parity_tests.reference.methods.memory import updated
from parity_tests.reference.sgd import SGD


class PartNorm(nn.BatchNorm1d):
    """Each part of a batch by its own statistics; the running ones are the first part's."""

    groups = 1

    def forward(self, x):
        first, *others = x.chunk(self.groups)
        out = [super().forward(first)]
        return torch.cat(out + [F.batch_norm(part, None, None, self.weight, self.bias, True) for part in others])


class Head(nn.Module):
    """A projection or prediction head."""

    def __init__(self, kind, inputs, hidden, outputs):
        super().__init__()
        self.kind, two = kind, kind.startswith("mlp")
        self.linear1 = nn.Linear(inputs, hidden if two else outputs)
        if kind in ("linbn", "mlpbn1", "mlpbn"):
            self.bn1 = PartNorm(self.linear1.out_features)
        if two:
            self.linear2 = nn.Linear(hidden, outputs)
        if kind == "mlpbn":
            self.bn2 = PartNorm(outputs)

    def forward(self, x):
        x = self.linear1(x)
        x = self.bn1(x) if hasattr(self, "bn1") else x
        x = self.linear2(F.relu(x)) if hasattr(self, "linear2") else x
        return self.bn2(x) if hasattr(self, "bn2") else x


class Encoder(nn.Module):
    """The files' trunk with its head: images -> (feature, projection). between(depth, x) may change hidden layers."""

    def __init__(self, widths, kind, dim):
        super().__init__()
        self.l1, self.l2 = nn.Linear(*widths[:2]), nn.Linear(*widths[1:])
        self.proj = Head(kind, widths[2], widths[2], dim)

    def forward(self, x, between=lambda depth, x: x):
        x = between(1, F.relu(self.l1(x.flatten(1))))
        x = between(2, F.relu(self.l2(x)))
        return x, self.proj(x)


def networks(meta) -> dict[str, nn.Module]:
    """The networks of a file by its names, in training mode, as all of them stay."""
    width, dim = meta["trunk_widths"][2], meta["dim"]
    nets = {"online": Encoder(meta["trunk_widths"], meta["proj"], dim)}
    if meta["method"] != "npair":
        nets["target"] = Encoder(meta["trunk_widths"], meta["proj"], dim).requires_grad_(False)
    if meta["pred"] != "none":
        nets["predictor"] = Head(meta["pred"], dim, width, dim)
    if "crd" in meta:
        nets["student"] = Encoder(meta["student_widths"], "mlpbn1", dim)
        nets |= {f"crd.embed_{side}": nn.Linear(inputs, meta["crd"]["feat_dim"])
                 for side, inputs in (("s", meta["student_widths"][2]), ("t", width))}
    for net in nets.values():
        for part in net.double().modules():
            if isinstance(part, PartNorm):
                part.groups = meta.get("groups", 1)
    return nets


class Play:
    """A file's program. z: the file."""

    def __init__(self, z, meta):
        self.z, self.meta, self.nets = z, meta, networks(meta)
        for name, net in self.nets.items():
            own = net.state_dict()
            net.load_state_dict({key: own[key] if key.endswith("tracked") else self.tensor(f"in.init.{name}.{key}")
                                 for key in own})
        self.queue, self.ptr = (self.tensor("in.init.queue"), int(z["in.init.queue_ptr"].item())) if (
            "in.init.queue" in z) else (None, 0)
        if "crd" in meta:
            self.banks = [self.tensor(f"in.init.crd.memory_{side}") for side in ("student", "teacher")]
            self.norms = [None, None]

    def tensor(self, key):
        return torch.from_numpy(np.array(self.z[key]))

    def given(self, name, p):
        return self.tensor(f"in.step{self.s}.{name}.{p}")

    def play(self) -> dict:
        out = {}
        parameters = {f"{name}.{key}": p for name, net in self.nets.items() if name != "target"
                      for key, p in net.named_parameters()}
        own = {k: v for k, v in parameters.items() if not k.startswith("crd.")}  # as released, they are never trained
        optimizer = SGD(own, self.meta["sgd"]["lr"], self.meta["sgd"]["momentum"], self.meta["sgd"]["weight_decay"])
        for s in range(self.meta["steps"]):
            self.s = s
            views = self.views()
            loss = sum(self.one(*views[::1 - 2 * p], p) for p in range(1 + self.meta["sym"]))
            grads = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True)
            grads = dict(zip(parameters, grads, strict=True))
            optimizer.step(grads)
            out[f"step{s}.loss"] = loss.item()
            if s == 0:
                out |= {f"step0.grad.{name}": g.numpy() for name, g in grads.items() if g is not None}
            out |= {f"after{s}.{key}": value for key, value in self.state().items()}
        return out

    def state(self) -> dict:
        found = {f"{name}.{key}": value.numpy().copy() for name, net in self.nets.items() if "crd" not in name
                 for key, value in net.state_dict().items() if not key.endswith("tracked")}
        if self.queue is not None:
            found |= {"queue": self.queue.numpy().copy(), "queue_ptr": np.array([self.ptr])}
        if "crd" in self.meta:
            c = self.meta["crd"]
            norms = [-1.0 if norm is None else norm.item() for norm in self.norms]
            found |= {f"crd.memory_{side}": b.numpy().copy() for side, b in zip(("student", "teacher"), self.banks)}
            found["crd.consts"] = np.array([c["K"], c["T"], *norms, c["momentum"]])
        return found

    def views(self):
        """The two views, with InputMix where the file has it."""
        stacked = torch.cat([self.tensor(f"in.step{self.s}.im_{i}") for i in (1, 2)])
        if self.meta["num_aux"]:
            share = self.tensor(f"in.step{self.s}.aux_dirichlet") / 2
            share[:, 0] += 0.5
            rows = [stacked] + [stacked[perm] for perm in self.tensor(f"in.step{self.s}.aux_perms")]
            stacked = sum(share[:, j, None, None, None] * x for j, x in enumerate(rows))
        return stacked.chunk(2)

    def one(self, x1, x2, p):
        """The loss of one pass: x1 is the query's view, x2 the key's."""
        meta, n = self.meta, len(x1)
        if meta["method"] == "npair":
            both = torch.cat([x1, x2])
            _, out = self.nets["online"](self.mix(0, both, n, p), lambda depth, x: self.mix(depth, x, n, p))
            return self.against(F.normalize(self.predicted(out[:n])), F.normalize(out[n:]), p)
        _, out = self.nets["online"](self.mix(0, x1, n, p), lambda depth, x: self.mix(depth, x, n, p))
        q = F.normalize(self.predicted(out))
        with torch.no_grad():
            feature, k = self.keys(x2, p)
            queue, old = self.queue, self.queue
            if queue is not None:
                at = (self.ptr + torch.arange(n)) % queue.shape[1]
                self.queue, self.ptr = queue.clone(), (self.ptr + n) % queue.shape[1]
                self.queue[:, at] = k.T
        loss = self.against(q, k, p, old)
        return loss + self.weak(x1, feature, k, old) if "crd" in meta else loss

    def keys(self, x2, p):
        """The target follows, then looks."""
        m, meta = self.meta["emam"], self.meta
        for a, b in zip(self.nets["target"].parameters(), self.nets["online"].parameters(), strict=True):
            a.copy_(m * a + (1 - m) * b)
        if not meta["shuffle_bn"]:
            feature, out = self.nets["target"](x2)
            return feature, F.normalize(out)
        order = self.given("shuffle", p)
        feature, out = self.nets["target"](x2[order])
        return (feature if "crd" in meta else feature[order.argsort()]), F.normalize(out[order.argsort()])

    def predicted(self, projection):
        return self.nets["predictor"](projection) if "predictor" in self.nets else projection

    def mix(self, depth, x, n, p):
        """i-Mix of the first n rows, where this pass mixes."""
        meta = self.meta
        layer = meta["mix_layers"][int(self.given("mix_layer_pick", p)) if len(meta["mix_layers"]) > 1 else 0]
        if meta["imix"] == "none" or int(layer) != depth:
            return x
        raw, self.partner, own = self.given("lam_raw", p), self.given("perm", p), x[:n]
        self.lam, other = torch.maximum(raw, 1 - raw), own[self.partner]
        if meta["imix"] == "imixup":
            share = self.lam.view(-1, *[1] * (x.ndim - 1))
            mixed = share * own + (1 - share) * other
        else:
            mixed = self.boxed(own, other, self.given("cut_center", p))
        return torch.cat([mixed, x[n:]])

    def boxed(self, own, other, centre):
        inside = torch.ones(own.shape[2:], dtype=torch.bool)
        for axis, (size, at) in enumerate(zip(own.shape[2:], centre)):
            half = int(size * torch.sqrt(1 - self.lam)) // 2
            line = torch.arange(size)
            kept = (line >= at - half) & (line < at + half)
            inside &= kept[:, None] if axis == 0 else kept[None]
        self.lam = 1 - inside.double().mean()
        return torch.where(inside, other, own)

    def against(self, q, k, p, queue=None):
        method, t = self.meta["method"], self.meta["temp"]
        if method == "moco":
            logits = torch.cat([(q * k).sum(1, keepdim=True), q @ queue], 1) / t
            return F.cross_entropy(logits, torch.zeros(len(q), dtype=torch.long))
        own, lam, partner = torch.arange(len(q)), 1.0, torch.arange(len(q))
        if self.meta["imix"] != "none":
            lam, partner = self.lam, self.partner
        if method == "byol":
            z = q @ k.T
            return (2 - 2 * (lam * z[own, own] + (1 - lam) * z[own, partner])).mean()
        logits = q @ (k.T if method == "npair" else torch.cat([k.T, queue], 1)) / t
        ce = lambda label: F.cross_entropy(logits, label, reduction="none")
        return (lam * ce(own) + (1 - lam) * ce(partner)).mean()

    def weak(self, x1, teacher, k, queue):
        """The weak student's term: CRD of the features, or InfoNCE of its own projection."""
        feature, out = self.nets["student"](x1)
        if self.meta["method"] != "byol":
            logits = F.normalize(out) @ torch.cat([k.T, queue], 1) / self.meta["temp"]
            return F.cross_entropy(logits, torch.arange(len(out)))
        c, index, rows = self.meta["crd"], *(self.tensor(f"in.step{self.s}.{key}") for key in ("index", "contrast_idx"))
        z = [F.normalize(self.nets[f"crd.embed_{side}"](f)) for side, f in (("s", feature), ("t", teacher))]
        value, self.norms = losses.crd(*z, *(bank[rows] for bank in self.banks), n_data=c["n_data"], temperature=c["T"],
                                       norm_s=self.norms[0], norm_t=self.norms[1])
        self.banks = [updated(bank, index, each.detach(), c["momentum"]) for bank, each in zip(self.banks, z)]
        return c["beta"] * value


def play(z, meta) -> dict:
    """{"step0.loss", "step0.grad.NET.PARAMETER", "after2.NET.PARAMETER", ...: the reference's value}."""
    return Play(z, meta).play()
