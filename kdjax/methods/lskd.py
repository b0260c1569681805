"""Logit standardisation in knowledge distillation (Sun et al., CVPR 2024)."""
from kdjax import losses
from kdjax.methods.base import Method
from kdjax.methods.taps import logits


class LSKD(Method):
    """KL of logits that were first standardised, at a base temperature.

    The same transform is the option `standardize` of dkd, mlkd, ctkd and rld (configs/lskd.py sets it with `base=`).
    """

    name, paper, year, taps = "lskd", "Sun et al., CVPR", 2024, "logits"

    def loss(self, ctx, memory):
        s, t = logits(ctx, standardize=True)
        return {self.name: losses.kl_divergence(s, t, temperature=self.config.method.lskd.temperature)}, memory
