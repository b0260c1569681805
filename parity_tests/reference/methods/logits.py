"""Methods on logits: KD's own term is the step's alpha term, so `KD` adds nothing."""
import torch
import torch.nn.functional as F

from parity_tests.reference import adapters, losses
from parity_tests.reference.methods.base import Method


class KD(Method):
    """gamma * CE + alpha * KL."""


def pair(ctx, standardize=False):
    """Both networks' logits, standardised where a release has it as an option."""
    both = ctx.student.logits, ctx.teacher.logits
    return [losses.standardize_logits(x) for x in both] if standardize else both


class DKD(Method):
    """Decoupled KD: alpha 1, beta 8 inside, and a linear warm-up outside that belongs to the run."""

    def setup(self, student, teacher, alpha=1.0, beta=8.0, temperature=4.0, standardize=False, warmup=0):
        self.options = {"alpha": alpha, "beta": beta, "temperature": temperature}
        self.standardize, self.warmup = standardize, warmup

    def loss(self, ctx, memory):
        logits_s, logits_t = pair(ctx, self.standardize)
        loss = losses.dkd(logits_s, logits_t, ctx.batch["labels"], **self.options)
        return {"dkd": ctx.warm_up(self.warmup) * loss}, memory


class WSLD(Method):
    """Contains its own hard loss, so gamma = 0."""

    def setup(self, student, teacher, alpha=2.5, temperature=2.0):
        self.options = {"alpha": alpha, "temperature": temperature}

    def loss(self, ctx, memory):
        logits_s, logits_t = ctx.student.logits, ctx.teacher.logits
        return {"wsld": losses.wsld(logits_s, logits_t, ctx.batch["labels"], **self.options)}, memory


class DIST(Method):
    def setup(self, student, teacher, **options):
        self.options = options

    def loss(self, ctx, memory):
        return {"dist": losses.dist(*pair(ctx), **self.options)}, memory


class LSKD(Method):
    """KL of standardised logits."""

    def setup(self, student, teacher, temperature=2.0):
        self.temperature = temperature

    def loss(self, ctx, memory):
        return {"lskd": losses.kl_divergence(*pair(ctx, True), temperature=self.temperature)}, memory


class NKD(Method):
    def setup(self, student, teacher, gamma=3.5, temperature=3.0):
        self.options = {"gamma": gamma, "temperature": temperature}

    def loss(self, ctx, memory):
        return {"nkd": losses.nkd(*pair(ctx), ctx.batch["labels"], **self.options)}, memory


class TTM(Method):
    def setup(self, student, teacher, power=0.1):
        self.power = power

    def loss(self, ctx, memory):
        return {"ttm": losses.ttm(*pair(ctx), power=self.power)}, memory


class WTTM(Method):
    def setup(self, student, teacher, power=0.2):
        self.power = power

    def loss(self, ctx, memory):
        return {"wttm": losses.wttm(*pair(ctx), power=self.power)}, memory


class RLD(Method):
    def setup(self, student, teacher, warmup=20, standardize=False, **options):
        self.warmup, self.standardize, self.options = warmup, standardize, options

    def loss(self, ctx, memory):
        loss = losses.rld(*pair(ctx, self.standardize), ctx.batch["labels"], **self.options)
        return {"rld": ctx.warm_up(self.warmup) * loss}, memory


class CTKD(Method):
    """The temperature is one trained number behind the scheduled gradient scale."""

    def setup(self, student, teacher, loss="kd", loops=10, standardize=False):
        self.kind, self.loops, self.standardize = loss, loops, standardize
        self.adapters["temperature"] = adapters.CTKDParameter()

    def loss(self, ctx, memory):
        scale = losses.ctkd_scale(float(ctx.batch["epoch"]), loops=self.loops)
        at, (s, t) = losses.ctkd_temperature(ctx.adapt("temperature"), scale), pair(ctx, self.standardize)
        if self.kind == "dkd":
            return {"ctkd": losses.dkd(s, t, ctx.batch["labels"], temperature=at)}, memory
        return {"ctkd": losses.kl_divergence(s, t, temperature=at)}, memory


class MLKD(Method):
    """Both networks see the strong view in a second pass; the labels supervise it with the first view's weight."""

    def setup(self, student, teacher, temperature=4.0, standardize=False, strong_ce=1.0):
        self.options = {"temperature": temperature, "standardize": standardize}
        self.weights = {"strong_ce": strong_ce}

    def loss(self, ctx, memory):
        strong_s = ctx.nets["student"](ctx.batch["strong"]).logits
        with torch.no_grad():
            strong_t = ctx.nets["teacher"](ctx.batch["strong"]).logits
        kd, cc, bc = losses.mlkd(*pair(ctx), strong_s, strong_t, **self.options)
        return {"kd": kd, "cc": cc, "bc": bc, "strong_ce": F.cross_entropy(strong_s, ctx.batch["labels"])}, memory
