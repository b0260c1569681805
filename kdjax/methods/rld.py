"""Refined logit distillation (Sun et al., ICCV 2025)."""
from kdjax import losses
from kdjax.methods.base import Method
from kdjax.methods.taps import logits, warm_up


class RLD(Method):
    """How sure the teacher is against how sure the student is of the label, and the classes ranked below the label.

    `rld.same_t`: both parts at `rld.temperature`. `rld.standardize`: logits standardised first. Both as in the release.
    Grows over `rld.warmup_epochs` epochs.
    """

    name, paper, year, taps = "rld", "Sun et al., ICCV", 2025, "logits"

    def loss(self, ctx, memory):
        o = self.config.method.rld
        s, t = logits(ctx, o.standardize)
        loss = losses.rld(s, t, ctx.labels, alpha=o.alpha, beta=o.beta, temperature=o.temperature,
                          alpha_temperature=o.temperature if o.same_t else o.alpha_temperature)
        return {self.name: warm_up(ctx, o.warmup_epochs) * loss}, memory
