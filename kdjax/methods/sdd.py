"""Scale decoupled distillation (Wei, Luo & Luo, CVPR 2024)."""
from kdjax import losses
from kdjax.methods.base import Method, feature_shape
from kdjax.methods.taps import head_of_positions, warm_up


class SDD(Method):
    """Logits of the cells of the map that is pooled, at several scales, each network's through its own classifier.

    `sdd.loss`: "kd" or "dkd" of each region, `sdd.scales` the grids. Regions about which the teacher contradicts its
    own global answer weigh twice. Grows over `sdd.warmup_epochs` epochs.
    """

    name, paper, year, taps = "sdd", "Wei et al., CVPR", 2024, "map that is pooled, both heads"

    def __init__(self, student, teacher, config):
        super().__init__(student, teacher, config)
        self.options = config.method.sdd
        for net in (student, teacher):
            feature_shape(net, "pre_pool")

    def loss(self, ctx, memory):
        o = self.options
        s, t = (self.regions(ctx, net) for net in ("student", "teacher"))
        if o.loss == "kd":
            loss = losses.sdd_kd(s, t, ctx.labels, temperature=o.temperature)
        else:
            loss = losses.sdd_dkd(s, t, ctx.labels, alpha=o.alpha, beta=o.beta, temperature=o.temperature)
        return {self.name: warm_up(ctx, o.warmup_epochs) * loss}, memory

    def regions(self, ctx, net):
        """[B, N, classes]."""
        cells = losses.multi_scale_pool(ctx.forward(net).features.pre_pool, scales=tuple(self.options.scales))
        return head_of_positions(ctx.heads(net), cells)
