"""Decoupled knowledge distillation (Zhao et al., CVPR 2022)."""
from kdjax import losses
from kdjax.methods.base import Method
from kdjax.methods.taps import logits, warm_up


class DKD(Method):
    """Target-class and non-target-class distillation, weighted apart.

    The whole term grows linearly over the first `dkd.warmup_epochs` epochs, as in the authors' program: epochs
    count from 1 (nobody counts: full weight). `dkd.standardize`: logit standardisation first (configs/lskd.py).
    With loss.kd_kind "dkd" it is weighed by alpha, as the KL divergence whose place it takes.
    """

    name, paper, year, taps = "dkd", "Zhao et al., CVPR", 2022, "logits"

    def __init__(self, student, teacher, config):
        super().__init__(student, teacher, config)
        if config.loss.kd_kind == "dkd":
            self.own_weight = config.loss.alpha

    def loss(self, ctx, memory):
        o = self.config.method.dkd
        s, t = logits(ctx, o.standardize)
        loss = losses.dkd(s, t, ctx.labels, alpha=o.alpha, beta=o.beta, temperature=o.temperature)
        return {self.name: warm_up(ctx, o.warmup_epochs) * loss}, memory
