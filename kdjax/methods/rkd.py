"""Relational knowledge distillation (Park et al., CVPR 2019)."""
from kdjax import losses
from kdjax.methods.base import Method


class RKD(Method):
    """Pairwise distances and triplet angles of the penultimate vectors; widths may differ."""

    name, paper, year, taps = "rkd", "Park et al., CVPR", 2019, "embedding"

    def loss(self, ctx, memory):
        options = self.config.method.rkd
        loss = losses.rkd(ctx.student.features.embedding, ctx.teacher.features.embedding,
                          distance_weight=options.distance_weight, angle_weight=options.angle_weight)
        return {self.name: loss}, memory
