"""Knowledge distillation from a stronger teacher (Huang et al., NeurIPS 2022)."""
from kdjax import losses
from kdjax.methods.base import Method


class DIST(Method):
    """The student's softened predictions correlate with the teacher's, sample by sample and class by class."""

    name, paper, year, taps = "dist", "Huang et al., NeurIPS", 2022, "logits"

    def loss(self, ctx, memory):
        o = self.config.method.dist
        return {self.name: losses.dist(ctx.student.logits, ctx.teacher.logits, beta=o.beta, gamma=o.gamma,
                                       temperature=o.temperature)}, memory
