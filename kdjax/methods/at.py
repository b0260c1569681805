"""Attention transfer (Zagoruyko and Komodakis, ICLR 2017)."""
from kdjax import losses
from kdjax.methods.base import Method
from kdjax.methods.taps import stage_pairs


class AT(Method):
    """Spatial attention maps of every stage, summed; channels and sizes may differ."""

    name, paper, year, taps = "at", "Zagoruyko & Komodakis, ICLR", 2017, "every stage's map"

    def loss(self, ctx, memory):
        p = self.config.method.at.p
        return {self.name: sum(losses.attention(f_s, f_t, p=p) for f_s, f_t in stage_pairs(ctx))}, memory
