"""Weighted soft labels (Zhou et al., ICLR 2021)."""
from kdjax import losses
from kdjax.methods.base import Method


class WSLD(Method):
    """Soft cross-entropy weighted by how much worse the student is than the teacher.

    Contains its own hard loss, so its config sets `loss.gamma` to 0.
    """

    name, paper, year, taps = "wsld", "Zhou et al., ICLR", 2021, "logits"

    def loss(self, ctx, memory):
        options = self.config.method.wsld
        return {self.name: losses.wsld(ctx.student.logits, ctx.teacher.logits, ctx.labels,
                                       temperature=options.temperature, alpha=options.alpha)}, memory
