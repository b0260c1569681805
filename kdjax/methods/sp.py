"""Similarity-preserving distillation (Tung and Mori, ICCV 2019)."""
from kdjax import losses
from kdjax.methods.base import Method


class SP(Method):
    """Row-normalised Gram matrices over the batch of the last stage's map (WRN: before its last batch norm)."""

    name, paper, year, taps = "sp", "Tung & Mori, ICCV", 2019, "last stage's map"

    def loss(self, ctx, memory):
        return {self.name: losses.similarity(ctx.student.features.maps[-1], ctx.teacher.features.maps[-1])}, memory
