"""Correlation congruence (Peng et al., ICCV 2019), in the form that RepDistiller received from the authors."""
from kdjax import losses
from kdjax.methods import adapters
from kdjax.methods.base import Method
from kdjax.methods.taps import widths


class CC(Method):
    """Both penultimate vectors through their own linear embedding, both trained. Needs two images a batch."""

    name, paper, year, taps = "cc", "Peng et al., ICCV", 2019, "embedding"

    def __init__(self, student, teacher, config):
        super().__init__(student, teacher, config)
        (d_s, d_t), dim = widths(student, teacher), config.method.feat_dim
        self.adapters = {"embed_s": adapters.linear_embed(d_s, dim), "embed_t": adapters.linear_embed(d_t, dim)}

    def loss(self, ctx, memory):
        e_s = ctx.adapt("embed_s", ctx.student.features.embedding)
        e_t = ctx.adapt("embed_t", ctx.teacher.features.embedding)
        return {self.name: losses.correlation_congruence(e_s, e_t)}, memory
