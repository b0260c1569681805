"""Curriculum temperature for knowledge distillation (Li et al., AAAI 2023)."""
from kdjax import losses
from kdjax.methods import adapters
from kdjax.methods.base import Method
from kdjax.methods.taps import logits


class CTKD(Method):
    """KL (`ctkd.loss="kd"`), or decoupled distillation ("dkd", with method.dkd's alpha and beta), at a temperature that
    is learned against the student.

    One number, trained and decayed with the student, whose gradient is scaled by a schedule that ends at -1: the
    temperature ascends what the student descends. `ctkd.standardize` is the release of logit standardisation.
    """

    name, paper, year, taps = "ctkd", "Li et al., AAAI", 2023, "logits"

    def __init__(self, student, teacher, config):
        super().__init__(student, teacher, config)
        self.options = config.method.ctkd
        self.adapters = {"temperature": adapters.ctkd_parameter()}

    def loss(self, ctx, memory):
        o, dkd = self.options, self.config.method.dkd
        s, t = logits(ctx, o.standardize)
        at = losses.ctkd_temperature(ctx.adapt("temperature"), self.scale(ctx), t_start=o.t_start, t_end=o.t_end)
        if o.loss == "kd":
            return {self.name: losses.kl_divergence(s, t, temperature=at)}, memory
        return {self.name: losses.dkd(s, t, ctx.labels, alpha=dkd.alpha, beta=dkd.beta, temperature=at)}, memory

    def scale(self, ctx):
        """The factor of the temperature's gradient; where nobody counts epochs, the last one."""
        o = self.options
        epoch = o.loops if ctx.epoch is None else ctx.epoch
        return losses.ctkd_scale(epoch, loops=o.loops, decay_max=o.decay_max, decay_min=o.decay_min)
