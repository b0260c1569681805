"""Methods on logits: KD's own term is the step's alpha term, so `KD` adds nothing."""
from parity_tests.reference import losses
from parity_tests.reference.methods.base import Method


class KD(Method):
    """gamma * CE + alpha * KL."""


class DKD(Method):
    """Decoupled KD: alpha 1, beta 8 inside, and a linear warm-up outside that belongs to the run."""

    def setup(self, student, teacher, alpha=1.0, beta=8.0, temperature=4.0):
        self.options = {"alpha": alpha, "beta": beta, "temperature": temperature}

    def loss(self, ctx, memory):
        logits_s, logits_t = ctx.student.logits, ctx.teacher.logits
        return {"dkd": losses.dkd(logits_s, logits_t, ctx.batch["labels"], **self.options)}, memory


class WSLD(Method):
    """Contains its own hard loss, so gamma = 0."""

    def setup(self, student, teacher, alpha=2.5, temperature=2.0):
        self.options = {"alpha": alpha, "temperature": temperature}

    def loss(self, ctx, memory):
        logits_s, logits_t = ctx.student.logits, ctx.teacher.logits
        return {"wsld": losses.wsld(logits_s, logits_t, ctx.batch["labels"], **self.options)}, memory
