"""Discriminative and consistent distillation (Giakoumoglou and Stathaki, 2024)."""
from kdjax import losses
from kdjax.methods import adapters
from kdjax.methods.base import Method
from kdjax.methods.taps import widths


class DCD(Method):
    """In-batch contrast between the networks and agreement of its two directions; learned temperature.

    The bias `params.b` cancels in both softmaxes and is kept for its place in the originals' checkpoints.
    """

    name, paper, year, taps = "dcd", "Giakoumoglou & Stathaki, arXiv", 2024, "embedding"

    def __init__(self, student, teacher, config):
        super().__init__(student, teacher, config)
        self.options = config.method.dcd
        (d_s, d_t), dim = widths(student, teacher), config.method.feat_dim
        self.adapters = {"embed_s": adapters.unit_linear(d_s, dim), "embed_t": adapters.unit_linear(d_t, dim),
                         "params": adapters.dcd_scales(self.options.init_tau)}

    def loss(self, ctx, memory):
        z_s = ctx.adapt("embed_s", ctx.student.features.embedding)
        z_t = ctx.adapt("embed_t", ctx.teacher.features.embedding)
        tau, b = ctx.adapt("params")
        return {self.name: losses.dcd(z_s, z_t, tau, b, alpha=self.options.alpha, max_tau=self.options.max_tau)}, memory
