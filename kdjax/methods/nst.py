"""Neuron selectivity transfer (Huang and Wang, 2017)."""
from kdjax import losses
from kdjax.methods.base import Method
from kdjax.methods.taps import stage_pairs


class NST(Method):
    """Polynomial-kernel MMD between the channels' spatial patterns of every stage, summed."""

    name, paper, year, taps = "nst", "Huang & Wang, arXiv", 2017, "every stage's map"

    def loss(self, ctx, memory):
        return {self.name: sum(losses.nst(f_s, f_t) for f_s, f_t in stage_pairs(ctx))}, memory
