"""Embedding graph alignment (Ma et al., BMVC 2022)."""
from kdjax import losses
from kdjax.methods.base import Method, feature_shape, refuse


class EGA(Method):
    """Pearson correlations between the samples of both networks; equal widths only."""

    name, paper, year, taps = "ega", "Ma et al., BMVC", 2022, "embedding"

    def __init__(self, student, teacher, config):
        super().__init__(student, teacher, config)
        d_s, d_t = feature_shape(student, "embedding"), feature_shape(teacher, "embedding")
        if d_s != d_t:
            raise refuse("EGA", student, teacher, "it needs penultimate vectors of one width", [d_s, d_t])

    def loss(self, ctx, memory):
        options = self.config.method.ega
        return {self.name: losses.ega(ctx.student.features.embedding, ctx.teacher.features.embedding,
                                      node_weight=options.node_weight, edge_weight=options.edge_weight)}, memory
