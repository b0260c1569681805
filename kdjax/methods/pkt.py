"""Probabilistic knowledge transfer (Passalis and Tefas, ECCV 2018)."""
from kdjax import losses
from kdjax.methods.base import Method


class PKT(Method):
    """Conditional probabilities of the penultimate vectors' cosine similarities in the batch; widths may differ."""

    name, paper, year, taps = "pkt", "Passalis & Tefas, ECCV", 2018, "embedding"

    def loss(self, ctx, memory):
        return {self.name: losses.pkt(ctx.student.features.embedding, ctx.teacher.features.embedding)}, memory
