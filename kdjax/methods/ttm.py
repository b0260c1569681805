"""Transformed teacher matching, plain and weighted (Zheng & Yang, ICLR 2024)."""
from kdjax import losses
from kdjax.methods.base import Method


class TTM(Method):
    """KL between a power of the teacher's probabilities and the student's at temperature 1."""

    name, paper, year, taps = "ttm", "Zheng & Yang, ICLR", 2024, "logits"

    def loss(self, ctx, memory):
        power = self.config.method.ttm.power
        return {self.name: losses.ttm(ctx.student.logits, ctx.teacher.logits, power=power)}, memory


class WTTM(Method):
    """The same; samples of which the teacher is unsure weigh more."""

    name, paper, year, taps = "wttm", "Zheng & Yang, ICLR", 2024, "logits"

    def loss(self, ctx, memory):
        power = self.config.method.wttm.power
        return {self.name: losses.wttm(ctx.student.logits, ctx.teacher.logits, power=power)}, memory
