"""Normalised knowledge distillation (Yang et al., ICCV 2023)."""
from kdjax import losses
from kdjax.methods.base import Method


class NKD(Method):
    """The label's share and the distribution of the other classes, as two cross entropies. No softened KL beside it."""

    name, paper, year, taps = "nkd", "Yang et al., ICCV", 2023, "logits"

    def loss(self, ctx, memory):
        o = self.config.method.nkd
        return {self.name: losses.nkd(ctx.student.logits, ctx.teacher.logits, ctx.labels, gamma=o.gamma,
                                      temperature=o.temperature)}, memory
