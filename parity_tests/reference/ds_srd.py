"""DS-SRD's three programs in torch, a file's steps one after the other; spec/ds_srd_supervised.md 2 to 4.

`play(golden)` takes a golden step file (or a dict of its form, see parity_tests/ds_srd_made.py) and returns what the
program computes, under the file's names.
"""
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from parity_tests import golden_data
from parity_tests.reference import adapters, losses, networks
from parity_tests.reference.methods.memory import updated
from parity_tests.reference.replay import load
from parity_tests.reference.sgd import SGD


class Wrapped(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.bn = nn.BatchNorm1d(channels)

    def forward(self, x):
        return self.bn(x)


def predictor(classes, width):
    """The strong student's head on its logits."""
    return nn.Sequential(nn.Linear(classes, width), Wrapped(width), nn.ReLU(), nn.Linear(width, classes),
                         Wrapped(classes)).double()


class Play:
    """What the programs share: networks by role, optimizers, memories, one row of results a step."""

    def __init__(self, golden):
        self.z, self.meta, self.rows, self.after = golden, golden["meta"], [], []
        self.nets = {role: self.built(role) for role in self.roles()}
        for role, net in self.nets.items():
            net.requires_grad_(role not in ("teacher", "ema_student"))
            load(net, golden_data.state_dict(golden_data.role_shapes(self.meta, role), f"{self.meta['salt']}{role}:"))
        self.prepare()
        self.memory = {key: torch.from_numpy(golden[key + "_init"].copy()) for key in ("bank_s", "bank_t")
                       if key + "_init" in golden} | {"norm_s": None, "norm_t": None}

    def roles(self):
        return dict.fromkeys(name.split(":")[0] for name in self.meta["names"])

    def built(self, role):
        meta = self.meta
        if role == "adapter":
            widths = [networks.build(meta[name], num_classes=2).classify for name in self.pair]
            dims = [head.__self__.fc.in_features for head in widths]
            return nn.ModuleDict({name: adapters.Embed(dim, meta["crd"]["feat_dim"])
                                  for name, dim in zip(("embed_s", "embed_t"), dims)}).double()
        if role == "predictor":
            return predictor(meta["num_classes"], self.nets_width())
        return networks.build(meta[self.source[role]], num_classes=meta["num_classes"])

    def nets_width(self):
        return networks.build(self.meta["strong"], num_classes=2).fc.in_features

    def prepare(self):
        """What differs from the drawn weights before the first step."""

    def optimizer(self, roles, lr):
        named = {f"{role}:{key}": p for role in roles if role in self.nets
                 for key, p in self.nets[role].named_parameters()}
        return SGD(named, lr, self.meta["optimizer"]["momentum"], self.meta["optimizer"]["weight_decay"])

    def image(self, key, s):
        mean, std = (torch.tensor(self.meta[name], dtype=torch.float64).view(3, 1, 1) for name in ("mean", "std"))
        return (torch.from_numpy(self.z[key][s].copy()).double() / 255 - mean) / std

    def tensor(self, key, s):
        return torch.from_numpy(np.asarray(self.z[key][s]))

    def crd(self, f_s, f_t, s):
        """The contrastive term, and the memories that follow it."""
        z_s, z_t = self.nets["adapter"]["embed_s"](f_s), self.nets["adapter"]["embed_t"](f_t)
        rows, index, crd = self.tensor("contrast_idx", s), self.tensor("index", s), self.meta["crd"]
        m = self.memory
        value, (norm_s, norm_t) = losses.crd(
            z_s, z_t, m["bank_s"][rows], m["bank_t"][rows], n_data=crd["n_data"], temperature=crd["temperature"],
            norm_s=m["norm_s"], norm_t=m["norm_t"], eps=crd["eps"])
        self.memory = {"bank_s": updated(m["bank_s"], index, z_s.detach(), crd["momentum"]),
                       "bank_t": updated(m["bank_t"], index, z_t.detach(), crd["momentum"]),
                       "norm_s": norm_s, "norm_t": norm_t}
        return value

    def proto(self, u_s, u_ref, s):
        """The prototypical term, averaged over the clusterings."""
        terms, k = [], 0
        while f"centroids_{k}" in self.z:
            own = self.z[f"im2cluster_{k}"][self.z["index"][s]]
            ids = np.concatenate([own, self.z[f"negatives_{k}"][s]])
            centres, phi = (torch.from_numpy(self.z[f"{name}_{k}"][ids]) for name in ("centroids", "density"))
            scores = [F.normalize(u, dim=1) @ centres.T / phi for u in (u_s, u_ref)]
            terms.append(losses.kl_divergence(*scores, temperature=self.meta["temperature"]))
            k += 1
        return sum(terms) / len(terms)

    def kd(self, student, teacher):
        return losses.kl_divergence(student, teacher, temperature=self.meta["temperature"])

    def mixed_ce(self, logits, labels, perm, lam):
        return lam * F.cross_entropy(logits, labels) + (1 - lam) * F.cross_entropy(logits, labels[perm])

    def update(self, terms, total, optimizers):
        """Backward, the optimizers, one row of results."""
        named = {name: p for optimizer in optimizers for name, p in optimizer.parameters.items()}
        grads = torch.autograd.grad(total, list(named.values()), allow_unused=True)
        grads = dict(zip(named, grads, strict=True))
        for optimizer in optimizers:
            optimizer.step(grads)
        self.rows.append({"total": float(total.detach()), **{k: float(v.detach()) for k, v in terms.items()}})
        self.gradients = getattr(self, "gradients", grads)

    def remember(self):
        """The tensors after a step."""
        state = {f"{role}:{key}": value.detach().numpy().copy() for role, net in self.nets.items()
                 for key, value in net.state_dict().items()}
        self.after.append(([state[name] for name in self.meta["names"]],
                           {k: None if v is None else v.numpy().copy() for k, v in self.memory.items()}))

    def follow(self, old, new, decay):
        """The average's parameters, towards the new ones."""
        for a, b in zip(self.nets[old].parameters(), self.nets[new].parameters(), strict=True):
            a.data = decay * a.data + (1 - decay) * b.detach()


class DoubleStudent(Play):
    source = {"weak": "weak", "strong": "strong", "teacher": "strong"}
    pair = ("weak", "strong")

    def prepare(self):
        if self.meta["config"]["teacher_init"] == "copy":
            self.nets["teacher"].load_state_dict(self.nets["strong"].state_dict())

    def play(self):
        own, adapters_too = self.meta["config"], ["adapter"] if "adapter" in self.nets else []
        weak = self.optimizer(["weak", *adapters_too], None)
        strong = self.optimizer(["strong", "predictor"], None)
        for s in range(len(self.z["labels"])):
            weak.lr, strong.lr = float(self.z["lr_weak"][s]), float(self.z["lr_strong"][s])
            self.step(s, [weak, strong] if own["optimize_strong"] else [weak])
            self.follow("teacher", "strong", own["ema"])
            self.statistics(own["ema_bn"], own["ema"])
            self.remember()

    def statistics(self, how, decay):
        if how == "none":
            return
        for (name, a), (_, b) in zip(self.nets["teacher"].named_buffers(), self.nets["strong"].named_buffers()):
            if not name.endswith("tracked"):
                a.data = b.clone() if how == "copy" else decay * a + (1 - decay) * b

    def step(self, s, optimizers):
        own, nets, labels = self.meta["config"], self.nets, self.tensor("labels", s)
        for role, net in nets.items():
            net.train(role != "teacher")
        x, lam, perm = self.image("images_q", s), float(self.z["lam"][s]), self.tensor("perm", s)
        weak = nets["weak"](x)
        with torch.no_grad():
            teacher = nets["teacher"](self.image("images_k", s))
        encoder = nets["strong"](lam * x + (1 - lam) * x[perm]).logits
        head = nets["predictor"](encoder)
        terms = {"ce_weak": F.cross_entropy(weak.logits, labels), "kd": self.kd(weak.logits, teacher.logits),
                 "ce_encoder": self.mixed_ce(encoder, labels, perm, lam),
                 "ce_predictor": self.mixed_ce(head, labels, perm, lam)}
        mixed = {"encoder": terms["ce_encoder"], "predictor": terms["ce_predictor"],
                 "both": (terms["ce_encoder"] + terms["ce_predictor"]) / 2}[own["strong_ce"]]
        total = own["gamma"] * terms["ce_weak"] + own["alpha"] * mixed + own["kd_weight"] * terms["kd"]
        if own["beta"]:
            terms["crd"] = self.crd(weak.features.embedding, teacher.features.embedding, s)
            total = total + own["beta"] * terms["crd"]
        if own["proto"]:
            terms["proto"] = self.proto(weak.features.embedding, teacher.features.embedding, s)
            total = total + own["proto"] * terms["proto"]
        self.update(terms, total, optimizers)


class Prototypes(Play):
    source = {"student": "student", "teacher": "teacher", "ema_student": "student"}
    pair = ("student", "teacher")

    def play(self):
        optimizer = self.optimizer(["student", "adapter"], self.meta["lr"])
        for s in range(len(self.z["labels"])):
            self.step(s, optimizer)
            if "ema_student" in self.nets:
                self.follow("ema_student", "student", self.meta["ema_decay"])
            self.remember()

    def step(self, s, optimizer):
        nets, w, labels = self.nets, self.meta["weights"], self.tensor("labels", s)
        for role, net in nets.items():
            net.train(role in ("student", "adapter"))
        q, k = self.image("images_q", s), self.image("images_k", s)
        student, reference = nets["student"](q), None
        if self.meta["reference"] == "self_view":
            reference = nets["student"](k).features.embedding
        elif self.meta["reference"] == "ema_student":
            reference = nets["ema_student"](k).features.embedding
        with torch.no_grad():
            teacher = nets["teacher"](k if self.meta["teacher_view"] == "other" else q)
        reference = teacher.features.embedding if reference is None else reference
        reference = reference.detach() if self.meta["detach_ref"] else reference
        terms = {"ce": F.cross_entropy(student.logits, labels), "kd": self.response(student, teacher, labels),
                 "crd": self.crd(student.features.embedding, teacher.features.embedding, s),
                 "proto": self.proto(student.features.embedding, reference, s)}
        self.update(terms, sum(w[a] * terms[b] for a, b in zip(("gamma", "alpha", "beta", "proto"), terms)),
                    [optimizer])

    def response(self, student, teacher, labels):
        if not self.meta["dkd"]:
            return self.kd(student.logits, teacher.logits)
        d = self.meta["dkd"]
        return d["warmup_factor"] * losses.dkd(student.logits, teacher.logits, labels, alpha=d["alpha"],
                                               beta=d["beta"], temperature=d["temperature"])


class Augmentation(Play):
    source = {"student": "student", "teacher": "teacher"}
    pair = ("student", "teacher")

    def play(self):
        optimizer = self.optimizer(["student", "adapter"], self.meta["optimizer"]["lr"])
        for s in range(len(self.z["labels"])):
            self.step(s, optimizer)
            self.remember()

    def step(self, s, optimizer):
        nets, w, labels = self.nets, self.meta["weights"], self.tensor("labels", s)
        nets["teacher"].eval()
        nets["student"].train()
        x = self.image("images", s)
        student = nets["student"](x)
        with torch.no_grad():
            teacher = nets["teacher"](x)
        terms = {"ce": F.cross_entropy(student.logits, labels), "kd": self.kd(student.logits, teacher.logits)}
        mixed = self.mixed(x, s)
        with torch.no_grad():
            target = nets["teacher"](mixed).logits
        seen = nets["student"](mixed).logits
        terms["mix"] = self.kd(seen, target)
        if w["w2"]:
            terms["mix_ce"] = self.mixed_ce(seen, labels, self.tensor("perm", s)[0], self.kept)
        terms["crd"] = self.crd(student.features.embedding, teacher.features.embedding, s)
        terms["proto"] = self.proto(student.features.embedding, teacher.features.embedding, s)
        bracket = w["w1"] * terms["kd"] + w["w2"] * terms.get("mix_ce", 0) + w["w3"] * terms["mix"]
        total = (w["gamma"] * terms["ce"] + w["alpha"] * bracket
                 + w["beta"] * terms["crd"] + w["proto"] * terms["proto"])
        self.update(terms, total, [optimizer])

    def mixed(self, x, s):
        """x': made of x by the file's draws, and picked."""
        if self.meta["mode"] == "identity":
            return x
        runs = []
        for lam, perm, center in zip(self.z["lam"][s], self.z["perm"][s],
                                     self.z["center"][s] if "center" in self.z else [None] * 9):
            runs.append(self.one(x, float(lam), torch.from_numpy(perm), center))
        pool = torch.cat(runs)
        return pool if not self.meta["pick"] else pool[self.picked(x, pool)]

    def one(self, x, lam, perm, center):
        if self.meta["mode"] == "mixup":
            return lam * x + (1 - lam) * x[perm]
        h, w = x.shape[2:]
        halves = [int(size * np.sqrt(1 - lam)) // 2 for size in (h, w)]
        top, bottom = (int(np.clip(center[0] + sign * halves[0], 0, h)) for sign in (-1, 1))
        left, right = (int(np.clip(center[1] + sign * halves[1], 0, w)) for sign in (-1, 1))
        out, self.kept = x.clone(), 1 - (bottom - top) * (right - left) / (h * w)
        out[:, :, top:bottom, left:right] = x[perm][:, :, top:bottom, left:right]
        return out

    def picked(self, x, pool):
        """Rows of the pool, by an entropy."""
        pick, student = self.meta["pick"], self.meta["pick"]["criterion"] == "student_entropy"
        net = self.nets["student" if student else "teacher"]
        net.train(student and pick["bn"] != "eval")
        with torch.no_grad():
            log_p = F.log_softmax(net(pool).logits, dim=1)
        self.nets["student"].train()
        return (-(log_p.exp() * log_p).sum(1)).argsort()[-pick["n_pick"]:]


PROGRAMS = {"ds": DoubleStudent, "pcl": Prototypes, "da": Augmentation}


def play(golden) -> dict:
    """{key of a golden step file: the reference's value}."""
    torch.set_grad_enabled(True)
    game = PROGRAMS[golden["meta"]["program"]](golden)
    game.play()
    summary = lambda xs: ([np.linalg.norm(x) for x in xs], [x.sum() for x in xs], [
        np.pad(x.ravel()[:8], (0, max(0, 8 - x.size)), constant_values=np.nan) for x in xs])
    out = {f"loss_{k}": [row[k] for row in game.rows] for k in game.rows[0]}
    for i, key in enumerate(("after_norm", "after_sum", "after_first8")):
        out[key] = [summary(values)[i] for values, _ in game.after]
    for key in ("bank_s", "bank_t"):
        if key in golden or key + "_init" in golden:
            out[key] = [memory[key] for _, memory in game.after]
    return out
