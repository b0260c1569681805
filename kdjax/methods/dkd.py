"""Decoupled knowledge distillation (Zhao et al., CVPR 2022)."""
import jax.numpy as jnp

from kdjax import losses
from kdjax.methods.base import Method


class DKD(Method):
    """Target-class and non-target-class distillation, weighted apart.

    The whole term grows linearly over the first `dkd.warmup_epochs` epochs, as in the authors' program: epochs
    count from 1 (nobody counts: full weight).
    """

    name, paper, year, taps = "dkd", "Zhao et al., CVPR", 2022, "logits"

    def loss(self, ctx, memory):
        options = self.config.method.dkd
        loss = losses.dkd(ctx.student.logits, ctx.teacher.logits, ctx.labels, alpha=options.alpha,
                          beta=options.beta, temperature=options.temperature)
        if options.warmup_epochs and ctx.epoch is not None:
            loss = loss * jnp.minimum(ctx.epoch / options.warmup_epochs, 1.0).astype(loss.dtype)
        return {self.name: loss}, memory
